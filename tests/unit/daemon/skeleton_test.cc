// The life of a daemon, seen from outside: each case runs one in a child.

#include <google/protobuf/wrappers.pb.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <fstream>

#include "bus/call_blocking.h"
#include "daemon/program.h"
#include "event/timer.h"
#include "mesh/daemon.pb.h"
#include "support/process.h"
#include "support/temp_dir.h"
#include "support/wait.h"

using namespace mesh;
using google::protobuf::Message;
using google::protobuf::StringValue;

namespace {

// What systemd would be: a datagram socket that hears.
class Manager {
 public:
  explicit Manager(const std::string& path) : fd_(socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0)) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path.copy(address.sun_path, sizeof address.sun_path - 1);
    REQUIRE(bind(fd_.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
  }
  bool heard(const std::string& text) {
    return support::wait_for([&] {
      char bytes[512];
      for (ssize_t n = 0; (n = recv(fd_.get(), bytes, sizeof bytes, 0)) > 0;)
        all_ += std::string(bytes, size_t(n)) + "\n";
      return all_.find(text) != std::string::npos;
    });
  }

 private:
  UniqueFd fd_;
  std::string all_;
};

// A daemon whose settings are one word, in a file of one word.
struct Greeter : daemon::Service {
  explicit Greeter(daemon::Runtime& runtime) : timer(runtime.loop(), [this] { finish(); }) {}
  Result<void> reload(const Message& settings) override {
    const std::string& word = static_cast<const StringValue&>(settings).value();
    if (word == "fixed\n") return Error{Errc::Invalid, "word: cannot change to fixed"};
    printf("word is %s", word.c_str());
    fflush(stdout);
    return {};
  }
  void drain(std::function<void()> done) override {
    finish = std::move(done);
    if (hold) return;
    timer.arm(std::chrono::milliseconds(1));
  }
  std::function<void()> finish;
  event::Timer timer;
  bool hold = false;
};

Result<void> read_word(const std::string& path, Message& settings, config::Places&) {
  std::ifstream file(path);
  std::string word;
  if (!std::getline(file, word)) return Error{Errc::NotFound, path + ": cannot read"};
  if (word == "bad") return Error{Errc::Invalid, path + ":1:1: expected a good word"};
  static_cast<StringValue&>(settings).set_value(word + "\n");
  return {};
}

daemon::Program greeter() {
  daemon::Program program{.name = "greeterd",
                          .summary = "greet",
                          .user = "_mesh-nobody-has-this",
                          .man = "greeterd(8)",
                          .settings = &StringValue::default_instance(),
                          .bus = true};
  program.read = read_word;
  program.start = [](daemon::Runtime& runtime) -> Result<void> {
    auto service = std::make_unique<Greeter>(runtime);
    if (runtime.settings_as<StringValue>().value() == "stuck\n") {
      service->hold = true;
      runtime.set_drain_limit(std::chrono::milliseconds(50));
    }
    if (runtime.settings_as<StringValue>().value() == "endless\n") service->hold = true;
    if (runtime.settings_as<StringValue>().value() == "refused\n")
      return Error{Errc::System, "bind 127.0.0.1:80: Address already in use"};
    runtime.keep(std::move(service));
    return {};
  };
  return program;
}

struct Place {
  support::TempDir dir;
  std::string settings = dir.write("etc/greeterd.yaml", "hello\n");

  // Starts the daemon in here with these words beside.
  std::unique_ptr<support::Process> start(std::vector<std::string> words = {}) {
    return std::make_unique<support::Process>([this, words] {
      std::vector<std::string> line{"greeterd",     "--run-dir",       dir.file("run"),
                                    "--state-dir",  dir.file("state"), "--config-dir",
                                    dir.file("etc")};
      line.insert(line.end(), words.begin(), words.end());
      std::vector<char*> argv;
      for (std::string& word : line) argv.push_back(word.data());
      return daemon::run(greeter(), int(argv.size()), argv.data());
    });
  }
};

}  // namespace

TEST_CASE("daemon: starts, makes its directories, stops on SIGTERM with 0", "[daemon]") {
  Place place;
  auto daemon = place.start();
  REQUIRE(daemon->wait_err("ready"));
  CHECK(std::filesystem::is_directory(place.dir.file("run")));
  const auto mode = std::filesystem::status(place.dir.file("state/greeterd")).permissions();
  CHECK((unsigned(mode) & 0777U) == 0700U);
  daemon->signal(SIGTERM);
  CHECK(daemon->wait_exit() == 0);
}

TEST_CASE("daemon: exit statuses of what cannot start", "[daemon]") {
  Place place;
  struct Row {
    const char* because;
    const char* word;
    std::vector<std::string> options;
    int status;
    const char* says;
  };
  const Row rows[] = {
      {"an unknown option", "hello", {"--frobnicate"}, 64, "unknown option --frobnicate"},
      {"a mistyped option suggests", "hello", {"--run-dri", "x"}, 64, "did you mean --run-dir?"},
      {"a word that is no option", "hello", {"hello"}, 64, "unexpected argument \"hello\""},
      {"wrong settings", "bad", {}, 78, "greeterd.yaml:1:1: expected a good word"},
      {"a named file that is not there", "hello", {"-c", "/nonexistent"}, 78, "/nonexistent"},
      {"start() refused", "refused", {}, 1, "Address already in use"},
      {"a directory that cannot be made",
       "hello",
       {"--run-dir", "/proc/x"},
       1,
       "run directory /proc/x: mkdir"},
      {"a user that is not there",
       "hello",
       {"--user", "nobody-has-this"},
       geteuid() == 0 ? 78 : 0,
       geteuid() == 0 ? "no user nobody-has-this" : ""},
  };
  for (const Row& row : rows) {
    DYNAMIC_SECTION(row.because) {
      place.dir.write("etc/greeterd.yaml", row.word);
      auto daemon = place.start(row.options);
      if (row.status == 0) continue;
      CHECK(daemon->wait_exit() == row.status);
      CHECK_THAT(daemon->err(), Catch::Contains(row.says));
    }
  }
}

TEST_CASE("daemon: -n checks, --version and --help answer, and nothing is touched", "[daemon]") {
  Place place;
  auto check = place.start({"-n"});
  CHECK(check->wait_exit() == 0);
  CHECK_THAT(check->out(), Catch::Contains(": OK\n"));
  auto version = place.start({"--version"});
  CHECK(version->wait_exit() == 0);
  CHECK_THAT(version->out(), Catch::StartsWith("greeterd (mesh) "));
  auto help = place.start({"--help"});
  CHECK(help->wait_exit() == 0);
  CHECK_THAT(help->out(), Catch::Contains("--run-dir DIR"));
  CHECK_FALSE(std::filesystem::exists(place.dir.file("run")));
}

TEST_CASE("daemon: a second instance is refused and told the first one's pid", "[daemon]") {
  Place place;
  auto first = place.start();
  REQUIRE(first->wait_err("ready"));
  auto second = place.start();
  CHECK(second->wait_exit() == 1);
  CHECK_THAT(second->err(),
             Catch::Contains("already running as process " + std::to_string(first->pid())));
  first->signal(SIGKILL);
  REQUIRE(first->wait_exit() == 128 + SIGKILL);
  auto third = place.start();
  CHECK(third->wait_err("ready"));
}

TEST_CASE("daemon: SIGHUP takes new settings, and keeps the old where they are wrong", "[daemon]") {
  Place place;
  auto daemon = place.start();
  REQUIRE(daemon->wait_err("ready"));
  place.dir.write("etc/greeterd.yaml", "bad\n");
  daemon->signal(SIGHUP);
  CHECK(daemon->wait_err("greeterd.yaml:1:1: expected a good word"));
  CHECK(daemon->wait_err("the settings before stay in force"));
  place.dir.write("etc/greeterd.yaml", "fixed\n");
  daemon->signal(SIGHUP);
  CHECK(daemon->wait_err("cannot change to fixed"));
  place.dir.write("etc/greeterd.yaml", "again\n");
  daemon->signal(SIGHUP);
  CHECK(daemon->wait_out("word is again"));
}

TEST_CASE("daemon: systemd hears ready, reloading, watchdog and stopping", "[daemon]") {
  Place place;
  Manager manager(place.dir.file("notify"));
  setenv("NOTIFY_SOCKET", place.dir.file("notify").c_str(), 1);
  setenv("WATCHDOG_USEC", "20000", 1);
  auto daemon = place.start();
  unsetenv("NOTIFY_SOCKET");
  unsetenv("WATCHDOG_USEC");
  CHECK(manager.heard("READY=1"));
  CHECK(manager.heard("WATCHDOG=1"));
  daemon->signal(SIGHUP);
  CHECK(manager.heard("RELOADING=1\nMONOTONIC_USEC="));
  daemon->signal(SIGTERM);
  CHECK(manager.heard("STOPPING=1"));
  CHECK(daemon->wait_exit() == 0);
}

TEST_CASE("daemon: a drain that does not end is cut at its limit", "[daemon]") {
  Place place;
  place.dir.write("etc/greeterd.yaml", "stuck\n");
  auto daemon = place.start();
  REQUIRE(daemon->wait_err("ready"));
  daemon->signal(SIGTERM);
  CHECK(daemon->wait_exit() == 0);
  CHECK_THAT(daemon->err(), Catch::Contains("drain limit reached"));
}

TEST_CASE("daemon: a second SIGTERM ends a drain at once", "[daemon]") {
  Place place;
  place.dir.write("etc/greeterd.yaml", "endless\n");
  auto daemon = place.start();
  REQUIRE(daemon->wait_err("ready"));
  daemon->signal(SIGTERM);
  REQUIRE(daemon->wait_err("stopping"));
  daemon->signal(SIGTERM);
  CHECK(daemon->wait_exit() == 128 + SIGTERM);
}

TEST_CASE("daemon: how it is can be asked on the bus", "[daemon]") {
  Place place;
  auto greeterd = place.start();
  REQUIRE(greeterd->wait_err("ready"));
  const auto status = bus::call_blocking<daemon::v1::StatusReply>(
      place.dir.file("run/greeterd.sock"), daemon::v1::StatusRequest(), std::chrono::seconds(10));
  REQUIRE(status);
  CHECK(status->name() == "greeterd");
  CHECK(pid_t(status->pid()) == greeterd->pid());
  CHECK(status->ready());
  CHECK(status->settings_file() == place.settings);
  greeterd->signal(SIGTERM);
  REQUIRE(greeterd->wait_exit() == 0);
  CHECK_FALSE(std::filesystem::exists(place.dir.file("run/greeterd.sock")));
}
