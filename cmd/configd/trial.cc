#include "cmd/configd/trial.h"

#include <algorithm>

#include "base/file.h"
#include "base/log.h"
#include "base/text.h"

namespace mesh::configd {
namespace {

using std::chrono::milliseconds;

constexpr Duration kAgain = std::chrono::seconds(10);
constexpr size_t kBytesMax = 4096;
constexpr uint64_t kUnixMsMax = 9'000'000'000'000;  // the year 2255
constexpr uint64_t kLengthMsMax =
    uint64_t(std::chrono::duration_cast<milliseconds>(Trial::kLongest).count());
constexpr unsigned kMode = 0640;

}  // namespace

Trial::Trial(event::Loop& loop, const Clock& clock, std::string path, std::function<void()> over)
    : clock_(clock), path_(std::move(path)), over_(std::move(over)), timer_(loop, [this] {
        overdue_ = true;
        timer_.arm(kAgain);
        over_();
      }) {}

void Trial::restore() {
  const auto bytes = file::read(path_, kBytesMax);
  if (!bytes && bytes.error().kind == Errc::NotFound) return;
  v1::SavedTrial saved;
  if (!bytes || !saved.ParseFromString(*bytes) || saved.generation().empty() ||
      saved.until_unix_ms() > kUnixMsMax || saved.length_ms() > kLengthMsMax) {
    log::error("a trial cannot be read: what is in force stays", {{"file", path_}});
    return;
  }
  state_ = std::move(saved);
  log::notice("on trial", {{"generation", state_->generation()},
                           {"back_to", state_->back_to()},
                           {"until", text::format_time(until())}});
  arm();
}

WallTime Trial::until() const { return WallTime{milliseconds(state_->until_unix_ms())}; }

bool Trial::began(const config::Store& store) const {
  for (auto record = store.history().rbegin(); record != store.history().rend(); ++record) {
    if (record->generation == state_->generation()) return true;
    if (record->generation == state_->back_to()) return false;
  }
  return false;
}

// A clock that was set does not make it longer than it was meant.
void Trial::arm() {
  const Duration length = milliseconds(state_->length_ms());
  const Duration left = std::chrono::duration_cast<Duration>(until() - clock_.wall());
  timer_.arm(std::clamp<Duration>(left, Duration(0), std::min(length, kLongest)));
}

Result<void> Trial::begin(const std::string& generation, const std::string& back_to,
                          Duration length) {
  v1::SavedTrial saved;
  saved.set_generation(generation);
  saved.set_back_to(back_to);
  const auto ms = [](auto duration) {
    return uint64_t(std::chrono::duration_cast<milliseconds>(duration).count());
  };
  saved.set_length_ms(ms(length));
  saved.set_until_unix_ms(ms(clock_.wall().time_since_epoch() + length));
  MESH_TRY_VOID(file::write(path_, saved.SerializeAsString(), kMode));
  state_ = std::move(saved);
  overdue_ = false;
  error_.clear();
  arm();
  return {};
}

Result<void> Trial::end() {
  if (!state_) return {};
  auto removed = file::remove(path_);
  if (!removed && removed.error().kind != Errc::NotFound) return removed;
  state_.reset();
  overdue_ = false;
  error_.clear();
  timer_.cancel();
  return {};
}

}  // namespace mesh::configd
