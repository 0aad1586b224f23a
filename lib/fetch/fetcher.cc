#include "fetch/fetcher.h"

#include <curl/curl.h>
#include <signal.h>

#include <deque>
#include <map>
#include <mutex>
#include <thread>

#include "base/check.h"

namespace mesh::fetch {
namespace {

constexpr long kRedirectsMax = 5;
constexpr size_t kParallelMax = 16;
constexpr int kPollMs = 1000;

struct FreeEasy {
  void operator()(CURL* easy) const { curl_easy_cleanup(easy); }
};
struct FreeList {
  void operator()(curl_slist* list) const { curl_slist_free_all(list); }
};
struct FreeMulti {
  void operator()(CURLM* multi) const { curl_multi_cleanup(multi); }
};

}  // namespace

class Fetcher::Thread {
 public:
  Thread() : multi_(curl_multi_init()) {
    MESH_CHECK(multi_ != nullptr);
    // Signals are the main thread's.
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    thread_ = std::thread([this] { run(); });
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
  }
  ~Thread() {
    {
      const std::lock_guard lock(mutex_);
      ending_ = true;
    }
    curl_multi_wakeup(multi_.get());
    thread_.join();
    for (auto& [easy, transfer] : transfers_) curl_multi_remove_handle(multi_.get(), easy);
  }

  // `answered` runs on the thread. False: too many wait.
  bool add(bool post, Request request, Answered answered) {
    const std::lock_guard lock(mutex_);
    if (waiting_.size() >= kWaitingMax) return false;
    waiting_.push_back({post, std::move(request), std::move(answered)});
    curl_multi_wakeup(multi_.get());
    return true;
  }

 private:
  struct Task {
    bool post;
    Request request;
    Answered answered;
  };
  struct Transfer {
    Task task;
    std::unique_ptr<CURL, FreeEasy> easy;
    std::unique_ptr<curl_slist, FreeList> headers = {};
    std::string body = {};
    bool too_big = false;
    char error[CURL_ERROR_SIZE] = {};
  };

  void run() {
    while (true) {
      std::deque<Task> begun;
      {
        const std::lock_guard lock(mutex_);
        if (ending_) return;
        while (!waiting_.empty() && transfers_.size() + begun.size() < kParallelMax) {
          begun.push_back(std::move(waiting_.front()));
          waiting_.pop_front();
        }
      }
      for (Task& task : begun) begin(std::move(task));
      int running = 0;
      curl_multi_perform(multi_.get(), &running);
      int left = 0;
      bool ended = false;
      while (const CURLMsg* message = curl_multi_info_read(multi_.get(), &left)) {
        if (message->msg != CURLMSG_DONE) continue;
        end(message->easy_handle, message->data.result);
        ended = true;
      }
      if (!ended) curl_multi_poll(multi_.get(), nullptr, 0, kPollMs, nullptr);
    }
  }

  void begin(Task task) {
    auto transfer = std::make_unique<Transfer>();
    transfer->task = std::move(task);
    transfer->easy.reset(curl_easy_init());
    CURL* const easy = transfer->easy.get();
    if (easy == nullptr)
      return transfer->task.answered(Error{Errc::Internal, "curl_easy_init failed"});
    const Request& request = transfer->task.request;
    const bool secure = request.url.starts_with("https:");
    curl_easy_setopt(easy, CURLOPT_URL, request.url.c_str());
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(easy, CURLOPT_REDIR_PROTOCOLS_STR, secure ? "https" : "http,https");
    curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, transfer->task.post ? 0L : 1L);
    curl_easy_setopt(easy, CURLOPT_MAXREDIRS, kRedirectsMax);
    curl_easy_setopt(
        easy, CURLOPT_TIMEOUT_MS,
        long(std::chrono::duration_cast<std::chrono::milliseconds>(request.timeout).count()));
    curl_easy_setopt(easy, CURLOPT_SSLVERSION, long(CURL_SSLVERSION_TLSv1_2));
    if (!request.ca_file.empty()) curl_easy_setopt(easy, CURLOPT_CAINFO, request.ca_file.c_str());
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L);
    curl_easy_setopt(easy, CURLOPT_USERAGENT, "mesh");
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, transfer->error);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, &Thread::take);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, transfer.get());
    if (transfer->task.post) set_post(*transfer);
    curl_multi_add_handle(multi_.get(), easy);
    transfers_.emplace(easy, std::move(transfer));
  }

  static void set_post(Transfer& transfer) {
    CURL* const easy = transfer.easy.get();
    const Request& request = transfer.task.request;
    curl_easy_setopt(easy, CURLOPT_POST, 1L);
    curl_easy_setopt(easy, CURLOPT_POSTFIELDS, request.body.data());
    curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, curl_off_t(request.body.size()));
    curl_slist* list = curl_slist_append(nullptr, "Expect:");
    for (const std::string& header : request.headers)
      if (curl_slist* const longer = curl_slist_append(list, header.c_str())) list = longer;
    transfer.headers.reset(list);
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, list);
    if (!request.unix_path.empty())
      curl_easy_setopt(easy, CURLOPT_UNIX_SOCKET_PATH, request.unix_path.c_str());
  }

  static size_t take(char* data, size_t size, size_t count, void* of) {
    auto& transfer = *static_cast<Transfer*>(of);
    const size_t bytes = size * count;
    transfer.too_big = transfer.body.size() + bytes > transfer.task.request.bytes_max;
    if (transfer.too_big) return 0;
    transfer.body.append(data, bytes);
    return bytes;
  }

  void end(CURL* easy, CURLcode code) {
    const auto found = transfers_.find(easy);
    const std::unique_ptr<Transfer> transfer = std::move(found->second);
    transfers_.erase(found);
    curl_multi_remove_handle(multi_.get(), easy);
    const auto answer = [&](Errc kind, const std::string& what) {
      transfer->task.answered(Error{kind, (transfer->task.post ? "POST " : "GET ") +
                                              transfer->task.request.url + ": " + what});
    };
    if (transfer->too_big)
      return answer(Errc::TooBig,
                    "over " + std::to_string(transfer->task.request.bytes_max) + " bytes");
    if (code != CURLE_OK)
      return answer(code == CURLE_OPERATION_TIMEDOUT ? Errc::Timeout : Errc::Unavailable,
                    transfer->error[0] == '\0' ? curl_easy_strerror(code) : transfer->error);
    Response response;
    curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &response.status);
    curl_off_t retry_after = 0;
    curl_easy_getinfo(easy, CURLINFO_RETRY_AFTER, &retry_after);
    response.retry_after = std::chrono::seconds(retry_after);
    response.body = std::move(transfer->body);
    transfer->task.answered(std::move(response));
  }

  std::mutex mutex_;
  std::deque<Task> waiting_;  // under it, as
  bool ending_ = false;       // is this
  // The rest is the thread's alone.
  const std::unique_ptr<CURLM, FreeMulti> multi_;
  std::map<CURL*, std::unique_ptr<Transfer>> transfers_;
  std::thread thread_;
};

Fetcher::Fetcher(event::Loop& loop) : loop_(loop) {
  static const CURLcode ready = curl_global_init(CURL_GLOBAL_DEFAULT);
  MESH_CHECK(ready == CURLE_OK);
}

Fetcher::~Fetcher() = default;

void Fetcher::get(Request request, Done done) {
  const std::string url = request.url;
  start(false, std::move(request), [url, done = std::move(done)](Result<Response> response) {
    if (!response) return done(std::move(response).error());
    if (response->status != 200)
      return done(
          Error{Errc::Unavailable, "GET " + url + ": status " + std::to_string(response->status)});
    done(std::move(response->body));
  });
}

void Fetcher::post(Request request, Answered answered) {
  start(true, std::move(request), std::move(answered));
}

void Fetcher::start(bool post, Request request, Answered done) {
  if (thread_ == nullptr) thread_ = std::make_unique<Thread>();
  const auto tell = [&loop = loop_, alive = std::weak_ptr(alive_),
                     done = std::move(done)](Result<Response> result) {
    loop.post([alive, done, result = std::move(result)]() mutable {
      if (!alive.expired()) done(std::move(result));
    });
  };
  if (!thread_->add(post, std::move(request), tell))
    tell(Error{Errc::TooBig, "too many documents wait to be fetched"});
}

}  // namespace mesh::fetch
