#include "load/ask.h"

#include <fmt/core.h>
#include <poll.h>

#include <algorithm>
#include <array>
#include <memory>
#include <utility>

#include "base/strings.h"
#include "http/client/answer_reader.h"
#include "http/transport.h"

namespace tidegate::load {
namespace {

using http::AnswerReader;
using http::IoStatus;

constexpr auto kTimeMax = std::chrono::seconds(20);
constexpr std::size_t kHeadBytesMax = 64 * 1024;
constexpr std::size_t kBodyBytesMax = 64 * 1024 * 1024;

/// Takes an answer in.
class Taker final : public http::AnswerSink {
  public:
    void on_interim(int, const http::Headers&) override {}
    void on_head(http::ResponseHead head) override { answer.status = head.status; }
    void on_tunnel(http::ResponseHead head) override { answer.status = head.status; }
    bool on_body(std::string_view bytes) override {
        if (answer.body.size() + bytes.size() > kBodyBytesMax) return false;
        answer.body.append(bytes);
        return true;
    }
    Answer answer;
};

/// A connection of one question, with one deadline.
class Question {
  public:
    explicit Question(const Place& place) : place_(place), deadline_(SystemClock().now() + kTimeMax) {}

    Result<Answer> ask(std::string_view request) {
        TG_CHECK(connect());
        TG_CHECK(send(request));
        return read();
    }

  private:
    Result<void> wait(short events) const {
        const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(deadline_ - SystemClock().now());
        pollfd one{.fd = socket_, .events = events, .revents = 0};
        if (left.count() > 0 && ::poll(&one, 1, static_cast<int>(left.count())) == 1) return {};
        return fail(ErrorCode::kDeadlineExceeded, fmt::format("{} does not answer in time", place_.url));
    }
    std::unexpected<Error> broken() const {
        return fail(ErrorCode::kUnavailable, fmt::format("the connection to {} broke off", place_.url));
    }

    Result<void> connect() {
        socket_ = place_.connect();
        if (socket_ < 0) return broken();
        if (!place_.origin.tls) {
            transport_ = http::make_plain_transport(socket_);
            return wait(POLLOUT);
        }
        TG_TRY(tls_, place_.tls());
        auto transport = tls_->connect(socket_, place_.origin.host);
        if (!transport) return broken();
        http::TlsClientTransport& handshake = *transport;
        transport_ = std::move(transport);
        TG_CHECK(wait(POLLOUT));
        for (;;) {
            const IoStatus status = handshake.handshake();
            if (status == IoStatus::kOk) return {};
            if (status != IoStatus::kWouldBlock) {
                return fail(ErrorCode::kUnavailable,
                            fmt::format("no TLS with {}: {}", place_.url, handshake.failure()));
            }
            TG_CHECK(wait(handshake.wants_write() ? POLLOUT : POLLIN));
        }
    }

    Result<void> send(std::string_view request) {
        while (!request.empty()) {
            const iovec piece{.iov_base = const_cast<char*>(request.data()), .iov_len = request.size()};
            const http::IoResult wrote = transport_->write({&piece, 1});
            if (wrote.status == IoStatus::kOk) {
                request.remove_prefix(wrote.bytes);
            } else if (wrote.status == IoStatus::kWouldBlock) {
                TG_CHECK(wait(POLLOUT));
            } else {
                return broken();
            }
        }
        return {};
    }

    Result<Answer> read() {
        AnswerReader reader(kHeadBytesMax);
        reader.reset(false, {});
        Taker taker;
        std::string input;
        std::array<char, 16 * 1024> piece;
        for (;;) {
            const http::IoResult got = transport_->read(piece);
            if (got.status == IoStatus::kWouldBlock) {
                TG_CHECK(wait(POLLIN));
                continue;
            }
            auto status = AnswerReader::Status::kError;
            if (got.status == IoStatus::kOk) {
                input.append(piece.data(), got.bytes);
                std::size_t consumed = 0;
                status = reader.read(input, consumed, taker);
                input.erase(0, consumed);
            } else if (got.status == IoStatus::kEnd) {
                status = reader.end_of_input();
            }
            if (status == AnswerReader::Status::kEnd) return std::move(taker.answer);
            if (status == AnswerReader::Status::kNeedMore) continue;
            return broken();
        }
    }

    const Place& place_;
    const SteadyTime deadline_;
    std::shared_ptr<http::TlsClientContext> tls_;
    std::unique_ptr<http::Transport> transport_;
    int socket_ = -1;  // The transport's.
};

/// An answer of JSON and status 200.
Result<json::Document> document_of(const Place& place, std::string_view method, std::string_view target,
                                   std::string_view fields, std::string_view body) {
    TG_TRY(const Answer answer, ask(place, method, target, fields, body));
    if (answer.status != 200) {
        const ErrorCode code =
            answer.status == 401 || answer.status == 403 ? ErrorCode::kPermissionDenied : ErrorCode::kUnavailable;
        return fail(code, fmt::format("{} {} is answered {}", method, target, answer.status));
    }
    return json::parse(answer.body);
}

}  // namespace

Result<Answer> ask(const Place& place, std::string_view method, std::string_view target, std::string_view fields,
                   std::string_view body) {
    std::string request = fmt::format("{} {} HTTP/1.1\r\n{}Connection: close\r\n", method, target, fields);
    if (!body.empty()) request += fmt::format("Content-Type: application/json\r\nContent-Length: {}\r\n", body.size());
    request.append("\r\n").append(body);
    return Question(place).ask(request);
}

WebScout::WebScout(const Place& place, std::string fields, json::Document document)
    : place_(place), fields_(std::move(fields)), document_(std::move(document)) {}

Result<std::unique_ptr<WebScout>> WebScout::open(const Place& place, std::string fields) {
    auto document = document_of(place, "GET", "/openapi.json", fields, {});
    if (!document) {
        if (document.error().code != ErrorCode::kUnavailable) return std::unexpected(std::move(document).error());
        return fail(ErrorCode::kUnavailable, document.error().message +
                                                 ": no API document, so the mix is not known; "
                                                 "name what to ask with --call");
    }
    const json::Value root = document->root();
    if (root.kind() != json::Kind::kObject || !root.find("paths")) {
        return fail(ErrorCode::kFailedValidation, place.url + "/openapi.json is no API document");
    }
    return std::unique_ptr<WebScout>(new WebScout(place, std::move(fields), *std::move(document)));
}

bool WebScout::has_route(std::string_view method, std::string_view path) const {
    const auto route = document_.root().find("paths")->find(path);
    return route && route->find(to_lower(method));
}

void WebScout::each_route(
    const std::function<void(std::string_view, std::string_view, std::string_view)>& visit) const {
    document_.root().find("paths")->each_member([&](std::string_view path, json::Value methods) {
        methods.each_member([&](std::string_view method, json::Value route) {
            const auto summary = route.find("summary");
            visit(path, method, summary && summary->kind() == json::Kind::kString ? summary->as_string() : "");
        });
    });
}

Result<json::Document> WebScout::ask(std::string_view method, const std::string& target,
                                     const std::string& body) const {
    return document_of(place_, method, target, fields_, body);
}

int WebScout::try_out(const std::string& target) const {
    const auto answer = load::ask(place_, "GET", target, fields_);
    return answer ? answer->status : 0;
}

}  // namespace tidegate::load
