// What nghttp2 calls, and the table that it takes them from.
#pragma once

#include <nghttp2/nghttp2.h>

namespace mesh::http2 {

struct Callbacks {
  // Made at first use, shared by all sessions of all threads, never changed.
  static const nghttp2_session_callbacks* all();
  // Gives nghttp2 what a Stream, the source's pointer, has to send.
  static nghttp2_data_source_read_callback data_reader();

 private:
  struct Glue;
};

}  // namespace mesh::http2
