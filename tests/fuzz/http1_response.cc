// The HTTP/1 client codec against any bytes: the first byte chooses the
// request's method, the rest comes from the upstream.
//
// modules: http1 http base

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "http1/client_codec.h"
#include "unit/http/fakes.h"

using namespace mesh;
using namespace mesh::test;

namespace {

std::string outcome(std::string_view method, std::string_view bytes, size_t step) {
  http::BlockPool pool;
  http::ReadBuffer buffer(pool);
  FakeSink sink;
  http1::ClientCodec codec(sink, {.head_bytes_max = 4096, .fields_max = 20});
  Recorder r;
  codec.open(r)->send_request_head(request(method, "/"), true);
  (void)feed(codec, buffer, bytes, step);
  if (!codec.finished()) codec.receive_eof();
  if (codec.open_streams() != 0 || codec.capacity() != 0) std::abort();
  std::string all;
  for (const std::string& heard : r.heard) all += heard + "\n";
  const auto ends = std::count_if(r.heard.begin(), r.heard.end(), [](const std::string& heard) {
    return heard == "closed" || heard.starts_with("reset ");
  });
  if (ends != 1) std::abort();
  return all;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const std::string_view method = data[0] % 2 == 0 ? "GET" : "HEAD";
  // A head is judged at the end of a line: the line ends make the last one count.
  const std::string bytes =
      std::string(reinterpret_cast<const char*>(data) + 1, size - 1) + "\r\n\r\n";
  const std::string whole = outcome(method, bytes, SIZE_MAX);
  if (whole != outcome(method, bytes, 1) || whole != outcome(method, bytes, 7)) std::abort();
  return 0;
}
