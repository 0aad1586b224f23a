// What bench-control measures: its options, a mesh on disk, daemons and what they use.
#pragma once

#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <functional>
#include <string>
#include <utility>

namespace mesh::bench {

namespace fs = std::filesystem;

struct Options {
  std::string build;
  size_t services = 1000;
  size_t endpoints = 10;  // a service
  size_t watchers = 1000;
  size_t hosts = 10;
  size_t changes = 20;
  size_t growth = 0;  // so many times the services once more; 0: not
};

inline int64_t now_ns() {
  timespec time{};
  clock_gettime(CLOCK_MONOTONIC, &time);
  return time.tv_sec * 1'000'000'000LL + time.tv_nsec;
}

[[noreturn]] inline void die(const std::string& text) {
  std::fprintf(stderr, "bench-control: %s\n", text.c_str());
  std::exit(1);
}

inline pid_t start(const std::function<void()>& child) {
  const pid_t parent = getpid();
  const pid_t pid = fork();
  if (pid < 0) die("fork");
  if (pid > 0) return pid;
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != parent) _exit(1);
  child();
  _exit(1);
}

inline pid_t start_daemon(const Options& options, const std::string& root,
                          const std::string& name) {
  return start([&] {
    const std::string program = options.build + "/" + name;
    if (std::freopen((root + "/" + name + ".log").c_str(), "ae", stderr) == nullptr) _exit(1);
    execl(program.c_str(), program.c_str(), "--run-dir", (root + "/run").c_str(), "--state-dir",
          (root + "/state").c_str(), "--config-dir", (root + "/etc").c_str(), "--user", "root",
          "-q", nullptr);
  });
}

inline void stop(pid_t pid, int number) {
  kill(pid, number);
  waitpid(pid, nullptr, 0);
}

inline int64_t cpu_ns(pid_t pid) {
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
inline std::pair<long, long> memory_kib(pid_t pid) {
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

inline void write_mesh(const Options& options, const std::string& root) {
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

}  // namespace mesh::bench
