#include "xds/serialize.h"

#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>

namespace mesh::xds {

std::string serialize(const google::protobuf::Message& message) {
  std::string bytes;
  google::protobuf::io::StringOutputStream stream(&bytes);
  google::protobuf::io::CodedOutputStream out(&stream);
  out.SetSerializationDeterministic(true);
  // Nothing is ever required: to look for that costs a third of the whole.
  message.SerializePartialToCodedStream(&out);
  out.Trim();
  return bytes;
}

}  // namespace mesh::xds
