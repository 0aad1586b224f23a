// bench-control BUILD [--services N] [--endpoints N] [--watchers N] [--hosts N] [--changes N]
//
// What the control plane costs: one configd and one discoveryd, and forwarders
// that are clients of the real bus and decode nothing. `--hosts 0`: each watches
// everything; else on demand, that many services each, of which all share the
// first. Prints one line a figure. CPU is what the kernel says discoveryd's threads
// used (schedstat); times are of the clock, and mean something on an idle machine.

#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <charconv>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "bus/call_blocking.h"
#include "bus/client.h"
#include "event/loop.h"
#include "mesh/configd.pb.h"
#include "mesh/discoveryd.pb.h"
#include "xds/decode.h"
#include "xds/node.h"

namespace {

using namespace mesh;
namespace fs = std::filesystem;

constexpr size_t kTypes = 4;
constexpr int kChildren = 4;
constexpr const char* kHostType = "type.googleapis.com/mesh.discoveryd.v1.Host";

struct Options {
  std::string build;
  size_t services = 1000;
  size_t endpoints = 10;  // a service
  size_t watchers = 1000;
  size_t hosts = 10;
  size_t changes = 20;
};

int64_t now_ns() {
  timespec time{};
  clock_gettime(CLOCK_MONOTONIC, &time);
  return time.tv_sec * 1'000'000'000LL + time.tv_nsec;
}

uint64_t hash(std::string_view text) { return std::hash<std::string_view>()(text) | 1; }

// What the processes share: one a watcher.
struct Slot {
  std::atomic<uint64_t> generation;  // of all four types, hashed; 0: not agreed
  std::atomic<int64_t> agreed_at;    // since when
  std::atomic<int64_t> needle_at;    // when an assignment with the needle came
  std::atomic<uint64_t> resources;   // received in all
  std::atomic<uint64_t> bytes;       // of bodies
};
struct Shared {
  char needle[64];  // changed only while nothing is on its way
};

struct Stage {
  Shared* shared;
  Slot* slots;
};

class Watcher {
 public:
  Watcher(event::Loop& loop, const std::string& socket, const Options& options, size_t index,
          const Stage& stage)
      : client_(loop, socket), slot_(stage.slots[index]), shared_(*stage.shared) {
    const std::string service = "svc-" + std::to_string(index % options.services);
    bus::Node node{.id = "watcher-" + std::to_string(index) + "@bench",
                   .workload = service + "-" + std::to_string(index / options.services),
                   .workload_namespace = "default",
                   .labels = {{"app", service}},
                   .metadata = {{std::string(xds::node::kOutbound), "127.0.0.1:15001"},
                                {std::string(xds::node::kServiceAccount), service}}};
    for (size_t i = 0; i < kTypes; ++i) sinks_[i].owner = this, sinks_[i].type = i;
    if (options.hosts > 0) {
      node.metadata[std::string(xds::node::kOnDemand)] = "true";
      std::vector<std::string> names{"svc-0"};
      for (size_t i = 1; i < options.hosts; ++i)
        names.push_back("svc-" + std::to_string((index * 7 + i * 13) % options.services));
      watches_.push_back(client_.watch(kHostType, node, hosts_, names));
    }
    size_t i = 0;
    for (const auto type :
         {xds::kClusterType, xds::kEndpointType, xds::kListenerType, xds::kRouteType})
      watches_.push_back(client_.watch(std::string(type), node, sinks_[i++]));
  }

 private:
  struct Hosts final : bus::Sink {
    Result<void> on_update(const bus::Update&, std::vector<bus::Rejection>&) override { return {}; }
  };
  struct Sink final : bus::Sink {
    Result<void> on_update(const bus::Update& update, std::vector<bus::Rejection>&) override {
      owner->take(type, update);
      return {};
    }
    Watcher* owner = nullptr;
    size_t type = 0;
  };

  void take(size_t type, const bus::Update& update) {
    for (const auto& resource : update.changed) {
      slot_.bytes += resource.body.size();
      if (type == 1 && resource.body.find(shared_.needle) != std::string_view::npos)
        slot_.needle_at = now_ns();
    }
    slot_.resources += update.changed.size();
    if (update.generation.empty()) return;
    generations_[type] = update.generation;
    for (const auto& generation : generations_)
      if (generation != generations_[0]) return;
    const uint64_t agreed = hash(generations_[0]);
    if (slot_.generation.exchange(agreed) != agreed) slot_.agreed_at = now_ns();
  }

  bus::Client client_;
  Slot& slot_;
  const Shared& shared_;
  Sink sinks_[kTypes];
  Hosts hosts_;
  std::string generations_[kTypes];
  std::vector<std::unique_ptr<bus::Watch>> watches_;
};

[[noreturn]] void die(const std::string& text) {
  std::fprintf(stderr, "bench-control: %s\n", text.c_str());
  std::exit(1);
}

pid_t start(const std::function<void()>& child) {
  const pid_t parent = getpid();
  const pid_t pid = fork();
  if (pid < 0) die("fork");
  if (pid > 0) return pid;
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != parent) _exit(1);
  child();
  _exit(1);
}

pid_t start_daemon(const Options& options, const std::string& root, const std::string& name) {
  return start([&] {
    const std::string program = options.build + "/" + name;
    if (std::freopen((root + "/" + name + ".log").c_str(), "ae", stderr) == nullptr) _exit(1);
    execl(program.c_str(), program.c_str(), "--run-dir", (root + "/run").c_str(), "--state-dir",
          (root + "/state").c_str(), "--config-dir", (root + "/etc").c_str(), "--user", "root",
          "-q", nullptr);
  });
}

void stop(pid_t pid, int number) {
  kill(pid, number);
  waitpid(pid, nullptr, 0);
}

int64_t cpu_ns(pid_t pid) {
  int64_t total = 0;
  for (const auto& task : fs::directory_iterator("/proc/" + std::to_string(pid) + "/task")) {
    std::ifstream file(task.path() / "schedstat");
    int64_t used = 0;
    file >> used;
    total += used;
  }
  return total;
}

// KiB: the proportional set size and its peak in RAM.
std::pair<long, long> memory_kib(pid_t pid) {
  long pss = 0;
  long peak = 0;
  std::string line;
  std::ifstream rollup("/proc/" + std::to_string(pid) + "/smaps_rollup");
  while (std::getline(rollup, line))
    if (line.starts_with("Pss:")) pss = std::atol(line.c_str() + 4);
  std::ifstream status("/proc/" + std::to_string(pid) + "/status");
  while (std::getline(status, line))
    if (line.starts_with("VmHWM:")) peak = std::atol(line.c_str() + 6);
  return {pss, peak};
}

void write_mesh(const Options& options, const std::string& root) {
  fs::create_directories(root + "/etc/config");
  fs::create_directories(root + "/run");
  std::ofstream(root + "/etc/discoveryd.yaml")
      << "registrations_max: 100000\nstart_grace: 5s\nabsence_grace: 5s\n";
  for (size_t s = 0; s < options.services; ++s) {
    const std::string name = "svc-" + std::to_string(s);
    std::ofstream out(root + "/etc/config/" + name + ".yaml");
    out << "apiVersion: networking.istio.io/v1\nkind: ServiceEntry\nmetadata: {name: " << name
        << ", namespace: default}\nspec:\n  hosts: [" << name
        << "]\n  location: MESH_INTERNAL\n  resolution: STATIC\n"
           "  ports: [{number: 80, name: http, protocol: HTTP}]\n"
           "  workloadSelector: {labels: {app: "
        << name << "}}\n";
    for (size_t e = 0; e < options.endpoints; ++e)
      out << "---\napiVersion: networking.istio.io/v1\nkind: WorkloadEntry\nmetadata: {name: "
          << name << "-" << e << ", namespace: default}\nspec: {address: 10." << s / 250 << "."
          << s % 250 << "." << e + 1 << ", ports: {http: 8080}, labels: {app: " << name
          << ", version: v1}, serviceAccount: " << name << "}\n";
  }
}

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

  void run() {
    write_mesh(options_, root_);
    configd_ = start_daemon(options_, root_, "configd");
    discoveryd_ = start_daemon(options_, root_, "discoveryd");
    const std::string generation = await_services();
    cold();
    fork_watchers();
    await_all(hash(generation), "the first configuration");
    await_quiet();
    report_first();
    registrations();
    rules(generation);
    const auto [pss, peak] = memory_kib(discoveryd_);
    std::printf("%-34s %10.1f MiB (peak %.1f)\n", "memory of discoveryd", double(pss) / 1024,
                double(peak) / 1024);
    restart();
    for (const pid_t child : children_) stop(child, SIGKILL);
    stop(discoveryd_, SIGTERM);
    stop(configd_, SIGTERM);
  }

 private:
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
    std::printf("%-34s %10.0f ms, %.0f ms of CPU\n", "cold start", double(now_ns() - begun) / 1e6,
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
                "all watchers from nothing", double(last - first_at_) / 1e6,
                double(cpu_ns(discoveryd_) - first_cpu_) / 1e6, double(bytes) / (1 << 20),
                double(resources) / double(options_.watchers));
  }

  void print(const std::string& what, std::vector<int64_t>& times, int64_t cpu,
             std::pair<uint64_t, uint64_t> before) const {
    std::sort(times.begin(), times.end());
    const auto at = [&](double share) {
      return double(times[size_t(double(times.size() - 1) * share)]) / 1e6;
    };
    const auto after = sums();
    const double changes = double(options_.changes);
    std::printf("%-34s p50 %.1f ms, p99 %.1f ms; CPU %.2f ms; %.0f resources, %.1f KiB a change\n",
                what.c_str(), at(0.5), at(0.99), double(cpu) / 1e6 / changes,
                double(after.first - before.first) / changes,
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
                double(answered) / 1e6 / double(options_.changes),
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
};

Options options_of(int argc, char** argv) {
  Options options;
  if (argc < 2)
    die("usage: bench-control BUILD [--services N] [--endpoints N] [--watchers N] "
        "[--hosts N] [--changes N]");
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
      options.changes = std::min<size_t>(value, 200);
    else
      die("what is " + std::string(key) + "?");
  }
  return options;
}

}  // namespace

int main(int argc, char** argv) {
  setvbuf(stdout, nullptr, _IOLBF, 0);
  rlimit files{};
  getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = files.rlim_max;
  setrlimit(RLIMIT_NOFILE, &files);
  char root[] = "/tmp/mesh-control-XXXXXX";
  if (mkdtemp(root) == nullptr) die("mkdtemp");
  Options options = options_of(argc, argv);
  std::printf(
      "%zu services, %zu endpoints, %zu watchers, each of %s\n", options.services,
      options.services * options.endpoints, options.watchers,
      options.hosts == 0 ? "everything" : (std::to_string(options.hosts) + " services").c_str());
  Bench(options, root).run();
  fs::remove_all(root);
}
