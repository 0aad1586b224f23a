// When actions begin and end, by a clock of our own.
#include "resilience/overload.h"

#include <catch2/catch.hpp>

using namespace mesh;
using namespace mesh::resilience;
using namespace std::chrono_literals;

TEST_CASE("overload: an action begins at its threshold and ends after a while of calm",
          "[resilience]") {
  const OverloadPolicy policy{
      .memory_bytes_max = 100,
      .triggers = {{OverloadAction::DisableKeepalive, OverloadResource::Memory, 0.8},
                   {OverloadAction::StopAcceptingRequests, OverloadResource::Memory, 0.95},
                   {OverloadAction::StopAcceptingRequests, OverloadResource::Descriptors, 0.9}}};
  constexpr uint32_t kStop = uint32_t(OverloadAction::StopAcceptingRequests);
  constexpr uint32_t kClose = uint32_t(OverloadAction::DisableKeepalive);
  struct Row {
    const char* says;
    Duration after;
    double memory, descriptors;
    uint32_t active;
  };
  const Row rows[] = {
      {"below all", 0s, 0.79, 0.5, 0},
      {"at the first", 250ms, 0.8, 0.5, kClose},
      {"at both", 250ms, 0.96, 0.5, kClose | kStop},
      {"below, within the margin", 250ms, 0.91, 0.5, kClose | kStop},
      {"it stays so for long", 1h, 0.91, 0.5, kClose | kStop},
      {"below the margin, not for long", 250ms, 0.85, 0.5, kClose | kStop},
      {"still", 999ms, 0.85, 0.5, kClose | kStop},
      {"long enough", 1ms, 0.85, 0.5, kClose},
      {"another resource", 250ms, 0.5, 0.9, kClose | kStop},
      {"calm", 250ms, 0.5, 0.5, kClose | kStop},
      {"not calm", 500ms, 0.5, 0.88, kClose | kStop},
      {"calm anew", 500ms, 0.5, 0.5, kStop},
      {"over", 1s, 0.5, 0.5, 0},
  };
  Overload overload;
  ManualClock clock;
  for (const Row& row : rows) {
    INFO(row.says);
    clock.advance(row.after);
    CHECK(overload.update(policy, {row.memory, 0, row.descriptors}, clock.now()) == row.active);
  }
}
