// http_live_server: the smallest program behind the server's face, for bench/http_live.sh and bench/http_idle.sh.
//
// Position    Answers every GET with a body of the same size as the peer's, through the same Application seam as the real
//             server; POST /echo returns the body.
// Use         http_live_server PORT LOOPS BODY_BYTES [CERTIFICATE KEY]
#include <csignal>
#include <cstdio>
#include <memory>
#include <string>

#include "base/clock.h"
#include "base/strings.h"
#include "http/server.h"

namespace {

using tidegate::http::BodyPlan;
using tidegate::http::Exchange;
using tidegate::http::ExchangePtr;
using tidegate::http::Response;

class Live final : public tidegate::http::Application {
  public:
    explicit Live(std::size_t body_bytes) : body_(std::make_shared<const std::string>(body_bytes, 'x')) {}

    BodyPlan on_head(const ExchangePtr&) override { return {1 << 20}; }
    void on_request(const ExchangePtr& exchange) override {
        Response response;
        response.headers.add("Content-Type", "text/plain");
        if (exchange->head().path == "/echo") {
            response.body = exchange->body();
        } else {
            response.shared_body = body_;
        }
        exchange->respond(std::move(response));
    }
    Response on_protocol_error(const Exchange*, int status, std::string_view detail) override {
        Response response;
        response.status = status;
        response.headers.add("Content-Type", "text/plain");
        response.body = detail;
        return response;
    }

  private:
    std::shared_ptr<const std::string> body_;
};

}  // namespace

int main(int argc, char** argv) {
    if (argc != 4 && argc != 6) {
        std::fputs("use: http_live_server PORT LOOPS BODY_BYTES [CERTIFICATE KEY]\n", stderr);
        return 2;
    }
    tidegate::SystemClock clock;
    Live application(tidegate::parse_u64(argv[3]).value_or(0));
    tidegate::http::ServerOptions options;
    options.port = static_cast<std::uint16_t>(tidegate::parse_u64(argv[1]).value_or(0));
    options.loops = static_cast<unsigned>(tidegate::parse_u64(argv[2]).value_or(1));
    options.limits.connections_max = 100'000;
    options.limits.idle_max = std::chrono::minutes(10);
    options.limits.header_read_max = std::chrono::minutes(10);
    if (argc == 6) options.tls = std::make_unique<tidegate::http::TlsFiles>(argv[4], argv[5]);

    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &signals, nullptr);
    auto server = tidegate::http::Server::create(std::move(options), application, clock);
    if (!server) {
        std::fprintf(stderr, "%s\n", server.error().message.c_str());
        return 1;
    }
    (*server)->start();
    std::printf("listening on %u\n", unsigned{(*server)->port()});
    std::fflush(stdout);
    int signal = 0;
    sigwait(&signals, &signal);
    return (*server)->drain(std::chrono::seconds(5)) ? 0 : 1;
}
