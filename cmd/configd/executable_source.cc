#include "cmd/configd/executable_source.h"

#include "base/log.h"
#include "config/yaml.h"

namespace mesh::configd {
namespace {

using std::chrono::seconds;

constexpr Duration kSettle = std::chrono::milliseconds(100);
constexpr Duration kWindow = seconds(10);
constexpr size_t kSetBytesMax = config::Limits{}.bytes_max;
constexpr size_t kWindowBytesMax = 8 * kSetBytesMax;
constexpr uint32_t kWindowLinesMax = 100;

Duration set_timeout_of(const settings::v1::ExecutableSource& settings) {
  if (!settings.has_set_timeout()) return seconds(30);
  return seconds(settings.set_timeout().seconds()) +
         std::chrono::nanoseconds(settings.set_timeout().nanos());
}

daemon::Child::Spec spec_of(const settings::v1::ConfigSource& settings) {
  daemon::Child::Spec spec;
  spec.name = "source " + settings.name();
  spec.command.assign(settings.executable().command().begin(),
                      settings.executable().command().end());
  for (const auto& [name, value] : settings.executable().environment())
    spec.environment.push_back(name + "=" + value);
  spec.output_apart = true;
  spec.bare = true;
  return spec;
}

}  // namespace

ExecutableSource::ExecutableSource(event::Loop& loop, const settings::v1::ConfigSource& settings)
    : loop_(loop),
      name_(settings.name()),
      command_(settings.executable().command(0)),
      set_timeout_(set_timeout_of(settings.executable())),
      random_(Random::from_system()),
      stream_(kSetBytesMax),
      settle_(loop, [this] { say(); }),
      late_(loop, [this] { give_up("a set that it began is not complete"); }),
      child_(loop, random_, *this, spec_of(settings)) {}

void ExecutableSource::start(Source::Owner& owner) {
  owner_ = &owner;
  child_.start();
}

bool ExecutableSource::on_child_starting(daemon::Child&) {
  stream_.clear();
  said_ = false;
  given_up_ = false;
  window_bytes_ = 0;
  return true;
}

void ExecutableSource::on_child_line(daemon::Child&, std::string_view line) {
  roll_window();
  if (++lines_ <= kWindowLinesMax) log::info(line, {{"source", name_}});
}

void ExecutableSource::roll_window() {
  if (loop_.now() - window_ < kWindow) return;
  window_ = loop_.now();
  window_bytes_ = 0;
  lines_ = 0;
}

void ExecutableSource::on_child_output(daemon::Child&, std::string_view bytes) {
  if (given_up_) return;
  roll_window();
  window_bytes_ += bytes.size();
  if (window_bytes_ > kWindowBytesMax) return give_up("it prints without end");
  auto sets = stream_.add(bytes);
  if (!sets) return give_up(sets.error().text);
  if (!sets->empty()) {
    said_ = true;
    set_ = std::move(sets->back());
    late_.cancel();
    if (!settle_.armed()) settle_.arm(kSettle);
  }
  if (!stream_.begun())
    late_.cancel();
  else if (!late_.armed())
    late_.arm(set_timeout_);
}

void ExecutableSource::say() {
  if (!set_) return;
  const std::string text = *std::exchange(set_, std::nullopt);
  config::Reading reading;
  config::read_into(reading, name_, text);
  reading.set = config::of_source(reading.set, name_);
  owner_->on_said(*this, std::move(reading));
}

void ExecutableSource::give_up(const std::string& why) {
  given_up_ = true;
  late_.cancel();
  stream_.clear();
  child_.kill();
  owner_->on_down(*this, command_ + ": " + why + "; it is started again");
}

// A program that says a set and ends in order is asked again: that is a way to
// poll. Anything else is a fault.
void ExecutableSource::on_child_end(daemon::Child& child, const daemon::Child::End& end) {
  late_.cancel();
  if (given_up_) return;
  const bool half = stream_.begun();
  if (said_ && !half && !end.by_signal && end.status == 0) return;
  std::string why = command_ + ": " + end.text();
  if (half) why += ", in the middle of a set";
  if (!said_ && !half) why += ", without a set";
  if (!child.last_line().empty()) why += ": " + child.last_line();
  owner_->on_down(*this, why);
}

}  // namespace mesh::configd
