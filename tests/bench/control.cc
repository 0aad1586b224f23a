// bench-control BUILD [--services N] [--endpoints N] [--watchers N] [--hosts N] [--changes N]
//               [--growth N]
//
// What the control plane costs: one configd and one discoveryd, and forwarders
// that are clients of the real bus and decode nothing. `--hosts 0`: each watches
// everything; else on demand, that many services each, of which all share the
// first. Prints one line a figure. CPU is what the kernel says discoveryd's threads
// used (schedstat); times are of the clock, and mean something on an idle machine.
// `--growth N` does all of it once more with N times the services, a quarter of the
// changes, and tells how much more each figure is.

#include <sys/mman.h>
#include <sys/resource.h>

#include <algorithm>
#include <charconv>
#include <cstring>

#include "bench/control_watcher.h"
#include "bus/call_blocking.h"
#include "mesh/configd.pb.h"
#include "mesh/discoveryd.pb.h"

namespace {

using namespace mesh;
using namespace mesh::bench;

constexpr int kChildren = 4;

class Bench {
 public:
  Bench(Options options, std::string root) : options_(std::move(options)), root_(std::move(root)) {
    const size_t bytes = sizeof(Shared) + sizeof(Slot) * options_.watchers;
    void* const memory =
        mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) die("mmap");
    stage_.shared = new (memory) Shared{};
    std::strcpy(stage_.shared->needle, "none yet");
    stage_.slots = reinterpret_cast<Slot*>(stage_.shared + 1);
    for (size_t i = 0; i < options_.watchers; ++i) new (&stage_.slots[i]) Slot{};
  }

  // By their names, in order.
  using Figures = std::vector<std::pair<std::string, double>>;

  Figures run() {
    std::printf("%zu services, %zu endpoints, %zu watchers, each of %s\n", options_.services,
                options_.services * options_.endpoints, options_.watchers,
                options_.hosts == 0 ? "everything"
                                    : (std::to_string(options_.hosts) + " services").c_str());
    write_mesh(options_, root_);
    const int64_t begun = now_ns();
    configd_ = start_daemon(options_, root_, "configd");
    discoveryd_ = start_daemon(options_, root_, "discoveryd");
    const std::string generation = await_services();
    std::printf("%-34s %10.0f ms, configd %.0f ms of CPU\n", "first start, from YAML",
                keep("first start, ms", double(now_ns() - begun) / 1e6),
                double(cpu_ns(configd_)) / 1e6);
    cold();
    fork_watchers();
    await_all(hash(generation), "the first configuration");
    await_quiet();
    report_first();
    registrations();
    rules(generation);
    const auto [pss, peak] = memory_kib(discoveryd_);
    std::printf("%-34s %10.1f MiB (peak %.1f)\n", "memory of discoveryd",
                keep("memory, MiB", double(pss) / 1024), double(peak) / 1024);
    restart();
    for (const pid_t child : children_) stop(child, SIGKILL);
    stop(discoveryd_, SIGTERM);
    stop(configd_, SIGTERM);
    return std::move(figures_);
  }

 private:
  double keep(std::string name, double value) {
    figures_.emplace_back(std::move(name), value);
    return value;
  }
  std::string socket(const char* name) const { return root_ + "/run/" + name + ".sock"; }

  // Whoever serves all services; the generation.
  std::string await_services() {
    for (int i = 0; i < 60'000; ++i) {
      const auto status = bus::call_blocking<discoveryd::v1::StatusReply>(
          socket("discoveryd"), discoveryd::v1::StatusRequest(), std::chrono::seconds(60));
      if (status && status->services() == options_.services) return status->generation();
      usleep(2000);
    }
    die("discoveryd does not have the services");
  }

  // From the state on disk, without configd: how an operator's restart looks.
  void cold() {
    await_quiet();
    stop(discoveryd_, SIGTERM);
    const int64_t begun = now_ns();
    discoveryd_ = start_daemon(options_, root_, "discoveryd");
    await_services();
    std::printf("%-34s %10.0f ms, %.0f ms of CPU\n", "cold start",
                keep("cold start, ms", double(now_ns() - begun) / 1e6),
                double(cpu_ns(discoveryd_)) / 1e6);
  }

  void fork_watchers() {
    first_cpu_ = cpu_ns(discoveryd_);
    first_at_ = now_ns();
    for (int child = 0; child < kChildren; ++child)
      children_.push_back(start([&, child] {
        event::Loop loop;
        std::vector<std::unique_ptr<Watcher>> watchers;
        for (size_t i = size_t(child); i < options_.watchers; i += kChildren)
          watchers.push_back(
              std::make_unique<Watcher>(loop, socket("discoveryd"), options_, i, stage_));
        loop.run();
      }));
  }

  template <class Fact>
  void await(Fact fact, const std::string& what) {
    for (size_t i = 0; i < options_.watchers; ++i) {
      const int64_t end = now_ns() + 300'000'000'000LL;
      while (!fact(stage_.slots[i])) {
        if (now_ns() > end) die("not at every watcher: " + what);
        usleep(500);
      }
    }
  }

  void await_all(uint64_t generation, const std::string& what) {
    await([&](const Slot& slot) { return slot.generation == generation; }, what);
  }

  // Until discoveryd uses next to nothing: acknowledgements have been read.
  void await_quiet() {
    int64_t before = cpu_ns(discoveryd_);
    for (int quiet = 0, i = 0; quiet < 2 && i < 600; ++i) {
      usleep(100'000);
      const int64_t now = cpu_ns(discoveryd_);
      quiet = now - before < 10'000'000 ? quiet + 1 : 0;
      before = now;
    }
  }

  std::pair<uint64_t, uint64_t> sums() const {
    std::pair<uint64_t, uint64_t> sum{0, 0};
    for (size_t i = 0; i < options_.watchers; ++i) {
      sum.first += stage_.slots[i].resources;
      sum.second += stage_.slots[i].bytes;
    }
    return sum;
  }

  void report_first() {
    int64_t last = 0;
    for (size_t i = 0; i < options_.watchers; ++i)
      last = std::max<int64_t>(last, stage_.slots[i].agreed_at);
    const auto [resources, bytes] = sums();
    std::printf("%-34s %10.0f ms, %.0f ms of CPU, %.1f MiB, %.0f resources each\n",
                "all watchers from nothing",
                keep("all watchers, ms", double(last - first_at_) / 1e6),
                double(cpu_ns(discoveryd_) - first_cpu_) / 1e6, double(bytes) / (1 << 20),
                double(resources) / double(options_.watchers));
  }

  void print(const std::string& what, std::vector<int64_t>& times, int64_t cpu,
             std::pair<uint64_t, uint64_t> before) {
    std::sort(times.begin(), times.end());
    const auto at = [&](double share) {
      return double(times[size_t(double(times.size() - 1) * share)]) / 1e6;
    };
    const auto after = sums();
    const double changes = double(options_.changes);
    const double p50 = keep(what + ", p50 ms", at(0.5));
    const double p99 = keep(what + ", p99 ms", at(0.99));
    const double used = keep(what + ", CPU ms", double(cpu) / 1e6 / changes);
    std::printf("%-34s p50 %.1f ms, p99 %.1f ms; CPU %.2f ms; %.0f resources, %.1f KiB a change\n",
                what.c_str(), p50, p99, used, double(after.first - before.first) / changes,
                double(after.second - before.second) / 1024 / changes);
  }

  // An endpoint more of the service that all have.
  void registrations() {
    std::vector<int64_t> times;
    int64_t cpu = 0;
    const auto before = sums();
    for (size_t i = 0; i < options_.changes; ++i) {
      const std::string address = "172.20.1." + std::to_string(i + 1);
      std::strcpy(stage_.shared->needle, address.c_str());
      for (size_t w = 0; w < options_.watchers; ++w) stage_.slots[w].needle_at = 0;
      discoveryd::v1::RegisterRequest request;
      auto& workload = *request.mutable_workload();
      workload.set_namespace_("default");
      workload.set_name("more-" + std::to_string(i));
      workload.set_address(address);
      (*workload.mutable_ports())["http"] = 8080;
      (*workload.mutable_labels())["app"] = "svc-0";
      workload.set_service_account("svc-0");
      const int64_t cpu_before = cpu_ns(discoveryd_);
      const int64_t begun = now_ns();
      if (const auto reply = bus::call_blocking<discoveryd::v1::RegisterReply>(
              socket("discoveryd"), request, std::chrono::seconds(60));
          !reply)
        die("register: " + reply.error().text);
      await([](const Slot& slot) { return slot.needle_at != 0; }, "the registration");
      for (size_t w = 0; w < options_.watchers; ++w)
        times.push_back(stage_.slots[w].needle_at - begun);
      await_quiet();
      cpu += cpu_ns(discoveryd_) - cpu_before;
    }
    print("register: one endpoint", times, cpu, before);
  }

  // A VirtualService of the service that all have.
  void rules(std::string generation) {
    std::vector<int64_t> times;
    int64_t cpu = 0;
    int64_t configd_cpu = 0;
    int64_t answered = 0;
    const auto before = sums();
    for (size_t i = 0; i < options_.changes; ++i) {
      configd::v1::ApplyRequest request;
      auto& file = *request.add_files();
      file.set_name("bench.yaml");
      file.set_text(
          "apiVersion: networking.istio.io/v1\nkind: VirtualService\n"
          "metadata: {name: svc-0, namespace: default}\nspec:\n  hosts: [svc-0]\n"
          "  http: [{timeout: " +
          std::to_string(i + 1) + "s, route: [{destination: {host: svc-0}}]}]\n");
      const int64_t cpu_before = cpu_ns(discoveryd_);
      const int64_t configd_before = cpu_ns(configd_);
      const int64_t begun = now_ns();
      const auto reply = bus::call_blocking<configd::v1::ChangeReply>(socket("configd"), request,
                                                                      std::chrono::seconds(60));
      if (!reply) die("apply: " + reply.error().text);
      answered += now_ns() - begun;
      if (reply->generation() == generation) die("apply: nothing changed");
      generation = reply->generation();
      await_all(hash(generation), "the VirtualService");
      for (size_t w = 0; w < options_.watchers; ++w)
        times.push_back(stage_.slots[w].agreed_at - begun);
      await_quiet();
      cpu += cpu_ns(discoveryd_) - cpu_before;
      configd_cpu += cpu_ns(configd_) - configd_before;
    }
    print("apply: one VirtualService", times, cpu, before);
    std::printf("%-34s %10.1f ms, %.1f ms of CPU a change\n", "  of it configd's, until it answers",
                keep("apply: configd, ms", double(answered) / 1e6 / double(options_.changes)),
                double(configd_cpu) / 1e6 / double(options_.changes));
  }

  // discoveryd dies; all come back with what they hold.
  void restart() {
    const auto before = sums();
    for (size_t i = 0; i < options_.watchers; ++i) stage_.slots[i].needle_at = 0;
    stop(discoveryd_, SIGKILL);
    discoveryd_ = start_daemon(options_, root_, "discoveryd");
    for (int i = 0; i < 3000; ++i) {
      const auto status = bus::call_blocking<discoveryd::v1::StatusReply>(
          socket("discoveryd"), discoveryd::v1::StatusRequest(), std::chrono::seconds(60));
      size_t there = 0;
      if (status)
        for (const auto& forwarder : status->forwarders())
          there += !forwarder.away() && forwarder.generation_acked() == status->generation();
      if (there == options_.watchers) break;
      usleep(20'000);
    }
    await_quiet();
    const auto after = sums();
    std::printf("%-34s %.0f ms of CPU; %zu resources sent again\n", "killed, and all come back",
                double(cpu_ns(discoveryd_)) / 1e6, size_t(after.first - before.first));
  }

  const Options options_;
  const std::string root_;
  Stage stage_{};
  pid_t configd_ = -1;
  pid_t discoveryd_ = -1;
  std::vector<pid_t> children_;
  int64_t first_cpu_ = 0;
  int64_t first_at_ = 0;
  Figures figures_;
};

Options options_of(int argc, char** argv) {
  Options options;
  if (argc < 2)
    die("usage: bench-control BUILD [--services N] [--endpoints N] [--watchers N] "
        "[--hosts N] [--changes N] [--growth N]");
  options.build = argv[1];
  for (int i = 2; i + 1 < argc; i += 2) {
    size_t value = 0;
    const std::string_view text = argv[i + 1];
    if (std::from_chars(text.data(), text.data() + text.size(), value).ec != std::errc{})
      die(std::string(argv[i]) + ": expected a number");
    const std::string_view key = argv[i];
    if (key == "--services")
      options.services = value;
    else if (key == "--endpoints")
      options.endpoints = value;
    else if (key == "--watchers")
      options.watchers = value;
    else if (key == "--hosts")
      options.hosts = value;
    else if (key == "--changes")
      options.changes = std::clamp<size_t>(value, 1, 200);
    else if (key == "--growth")
      options.growth = value;
    else
      die("what is " + std::string(key) + "?");
  }
  return options;
}

Bench::Figures measure(const Options& options) {
  char root[] = "/tmp/mesh-control-XXXXXX";
  if (mkdtemp(root) == nullptr) die("mkdtemp");
  Bench::Figures figures = Bench(options, root).run();
  fs::remove_all(root);
  return figures;
}

}  // namespace

int main(int argc, char** argv) {
  setvbuf(stdout, nullptr, _IOLBF, 0);
  rlimit files{};
  getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = files.rlim_max;
  setrlimit(RLIMIT_NOFILE, &files);
  Options options = options_of(argc, argv);
  const auto before = measure(options);
  if (options.growth == 0) return 0;
  options.services *= options.growth;
  options.changes = std::max<size_t>(options.changes / 4, 1);
  std::printf("\n");
  const auto after = measure(options);
  std::printf("\nwith %zu times the services\n", options.growth);
  for (size_t i = 0; i < before.size(); ++i)
    std::printf("%-34s %10.1f to %10.1f, %5.1f times\n", before[i].first.c_str(), before[i].second,
                after[i].second, after[i].second / before[i].second);
}
