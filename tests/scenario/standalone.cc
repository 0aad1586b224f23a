#include "scenario/standalone.h"

#include <csignal>
#include <stdexcept>
#include <utility>

#include "support/wait.h"

namespace mesh::scenario {

using support::Message;
using support::Wire;

Standalone::Standalone(const std::string& bootstrap, std::vector<std::string> options,
                       std::vector<std::string> wrapper)
    : admin_port_(support::unused_port()) {
  const std::string file = folder_.write("bootstrap.yaml", file_text(bootstrap));
  command_ = std::move(wrapper);
  command_.insert(command_.end(), {support::program("forwarder"), "-c", file, "--user", "root"});
  if (options.empty()) options = {"--concurrency", "1"};
  command_.insert(command_.end(), options.begin(), options.end());
  process_ = std::make_unique<support::Process>(command_);
  if (!support::wait_for([this] { return ask("/ready").status == 200 || !process_->running(); }) ||
      !process_->running())
    throw std::runtime_error("forwarder: " + process_->err());
}

std::unique_ptr<support::Process> Standalone::succeed() {
  auto before = std::exchange(process_, std::make_unique<support::Process>(command_));
  if (!process_->wait_err("ready pid=")) throw std::runtime_error("forwarder: " + process_->err());
  return before;
}

std::string Standalone::file_text(const std::string& bootstrap) const {
  return "admin: {address: {socket_address: {address: 127.0.0.1, port_value: " +
         std::to_string(admin_port_) + "}}}\n" + bootstrap;
}

Message Standalone::ask(const std::string& path, const std::string& method) {
  auto wire = Wire::try_connect(admin_port_);
  if (!wire || !wire->send(method + " " + path + " HTTP/1.1\r\nhost: admin\r\n\r\n")) return {};
  return wire->read();
}

uint16_t Standalone::port(const std::string& listener) {
  const std::string text = ask("/listeners").body;
  const size_t at = text.find(listener + "::");
  if (at == std::string::npos) return 0;
  const size_t colon = text.find(':', at + listener.size() + 2);
  return uint16_t(std::stoi(text.substr(colon + 1)));
}

void Standalone::replace(const std::string& bootstrap) {
  folder_.write("bootstrap.yaml", file_text(bootstrap));
  process_->signal(SIGHUP);
}

}  // namespace mesh::scenario
