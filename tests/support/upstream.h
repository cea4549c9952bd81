// Upstream: a server on a free loopback port that answers as a test says, path by path: late, by halves, wrongly, never.
//
// Guarantee   What a script sends goes out byte by byte as given. Every request is kept as it came, for the test to look at.
// Life        The destructor ends all connections, whatever their scripts wait for.
// Threads     One a connection; the test's own thread asks. Scripts of different connections run at once.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "base/mutex.h"

namespace tidegate::testing {

/// A request as it came. `head` ends with the empty line.
struct UpstreamRequest {
    std::string method;
    std::string target;
    std::string path;
    std::string head;
    std::string body;  // Chunked coding removed; only what the script has read.

    /// The first such field's value; empty when there is none.
    std::string header(std::string_view name) const;
    bool has(std::string_view name) const;
};

class Upstream;

/// What a script talks to: one connection with one request on it.
class UpstreamCall {
  public:
    const UpstreamRequest& request() const noexcept { return request_; }
    /// How many requests this path has had, this one with it; from 1.
    unsigned number() const noexcept { return number_; }
    /// Reads the body to its end; false when the peer left before.
    bool read_body();
    /// Reads what comes next of the body, at most 64 KiB; empty at its end or when the peer has left.
    std::string read_body_piece();
    /// Bytes as they are; false when the peer has left.
    bool send(std::string_view bytes);
    /// A whole answer with Content-Length; reads the request's body first.
    void answer(int status, std::string_view body = {}, std::string_view fields = {});
    /// What comes next on the connection, HTTP or not; empty when the peer has left or the server ends.
    std::string receive();
    /// Waits until the peer leaves or the server ends. True: the peer has left.
    bool wait_gone();
    void close();
    /// Closes with a reset.
    void reset();

  private:
    friend class Upstream;
    UpstreamCall(Upstream& owner, int socket) : owner_(owner), socket_(socket) {}
    ~UpstreamCall() { close(); }
    UpstreamCall(const UpstreamCall&) = delete;
    UpstreamCall& operator=(const UpstreamCall&) = delete;

    bool next_request();
    bool fill();
    bool wait_readable() const;
    bool read_line(std::string& line);

    Upstream& owner_;
    int socket_;
    std::string buffer_;
    UpstreamRequest request_;
    unsigned number_ = 0;
    bool chunked_ = false;
    bool body_done_ = false;
    std::uint64_t body_left_ = 0;
};

class Upstream {
  public:
    using Script = std::function<void(UpstreamCall&)>;
    Upstream();
    ~Upstream();
    Upstream(const Upstream&) = delete;
    Upstream& operator=(const Upstream&) = delete;

    std::uint16_t port() const noexcept { return port_; }
    std::string url() const { return "http://127.0.0.1:" + std::to_string(port_); }
    /// What is done with requests of `path` (without query) from now on. A path without a script gets 404.
    void on(std::string path, Script script);
    /// A path that answers with a body and fields (each `Name: value\r\n`).
    void on(std::string path, int status, std::string body, std::string fields = {});

    /// Requests of the path so far.
    unsigned asked(const std::string& path) const;
    /// True when it has had `count` requests within the wait.
    bool wait_asked(const std::string& path, unsigned count,
                    std::chrono::milliseconds wait = std::chrono::seconds(60)) const;
    /// The latest request of the path: with its body, where the script reads that within 10 s; else as far as it has read it.
    UpstreamRequest last(const std::string& path) const;
    /// True when so many calls of scripts have seen their peer leave in wait_gone(), within the wait.
    bool wait_left(unsigned count, std::chrono::milliseconds wait = std::chrono::seconds(60)) const;

  private:
    friend class UpstreamCall;
    struct Path {
        Script script;
        unsigned asked = 0;
        UpstreamRequest last;
        bool whole = false;  // `last` has its whole body.
    };
    void accept_all();
    void serve(int socket);
    Script begin(UpstreamCall& call);
    void keep(const UpstreamCall& call);
    bool wait_until(std::chrono::milliseconds wait, const std::function<bool()>& what) const;

    int listener_ = -1;
    std::uint16_t port_ = 0;
    std::atomic<bool> stopping_{false};
    std::atomic<unsigned> left_{0};
    mutable Mutex mutex_;
    std::map<std::string, Path> paths_;
    std::vector<std::jthread> calls_;
    std::jthread acceptor_;
};

/// A loopback port where nobody listens, so that connections are refused. It stays bound as long as the program runs: nobody else gets it.
std::uint16_t closed_port();

}  // namespace tidegate::testing
