#include "app/jwks_fetch.h"

#include <algorithm>
#include <utility>

#include "pipeline/upstream/options.h"

namespace tidegate::app {
namespace {

using pipeline::TokenKeys;

/// Gathers one answer.
class GatherKeys final : public http::CallHandler {
  public:
    explicit GatherKeys(std::function<void(Result<std::string>)> done) : done_(std::move(done)) {}
    void hold(http::CallPtr call) { call_ = std::move(call); }

    void on_head(http::ResponseHead head) override {
        if (head.status != 200) {
            const bool elsewhere = head.status >= 300 && head.status < 400;
            return give_up("it answered " + std::to_string(head.status) +
                           (elsewhere ? "; redirects are not followed, name the place itself" : ""));
        }
        if (head.content_length.value_or(0) > TokenKeys::kBytesMax) give_up(kTooLong);
    }
    bool on_body(std::string_view bytes) override {
        if (body_.size() + bytes.size() > TokenKeys::kBytesMax) {
            give_up(kTooLong);
            return false;
        }
        body_.append(bytes);
        return true;
    }
    void on_end() override { end(std::move(body_)); }
    void on_failure(const http::CallFailure& failure) override {
        end(fail(ErrorCode::kUnavailable, std::string(http::to_string(failure.kind)) + " at " +
                                              std::string(http::to_string(failure.stage)) + ": " + failure.detail));
    }

  private:
    static constexpr const char* kTooLong = "it is longer than 256 KiB";
    static_assert(TokenKeys::kBytesMax == 256 * 1024);

    void give_up(std::string why) {
        const http::CallPtr call = call_;  // Ending lets go of it.
        end(fail(ErrorCode::kUnavailable, std::move(why)));
        if (call) call->cancel();
    }
    void end(Result<std::string> document) {
        call_.reset();
        if (!document) document.error().message.insert(0, "jwt.jwks_url: ");
        if (const auto done = std::exchange(done_, nullptr)) done(std::move(document));
    }

    std::function<void(Result<std::string>)> done_;
    http::CallPtr call_;
    std::string body_;
};

std::unexpected<Error> wrong_jwks(const std::string& what) {
    return fail(ErrorCode::kInvalidArgument, "jwt.jwks_url: " + what);
}

}  // namespace

Result<JwksPlace> jwks_place(const pipeline::JwtSettings& settings) {
    const std::string& url = settings.jwks_url;
    const std::size_t scheme = url.find("://");
    const std::size_t path = scheme == std::string::npos ? scheme : url.find_first_of("/?#", scheme + 3);
    auto origin = http::parse_origin(std::string_view(url).substr(0, path));
    if (!origin) return wrong_jwks(origin.error().message);
    if (upstream::is_link_local(origin->host)) {
        return wrong_jwks("this is a link-local address, where clouds keep their metadata");
    }
    JwksPlace place{.origin = *std::move(origin), .target = path == std::string::npos ? "/" : url.substr(path)};
    if (place.target.starts_with('?')) place.target.insert(0, "/");
    if (std::ranges::any_of(place.target, [](char c) { return c <= ' ' || c > '~' || c == '#'; })) {
        return wrong_jwks("its path holds what no path may");
    }
    if (!settings.jwks_ca_file.empty() && !place.origin.tls) {
        return fail(ErrorCode::kInvalidArgument, "jwt.jwks_ca_file is of use with an https:// jwt.jwks_url only");
    }
    place.origin.ca_file = settings.jwks_ca_file;
    return place;
}

pipeline::JwksFetch JwksFetcher::function() {
    return [this](const std::string&, Done done) { ask(std::move(done)); };
}

void JwksFetcher::on_loop_start(pipeline::LoopParts& parts) {
    if (parts.index != 0) return;
    parts_ = &parts;
    Done early;
    {
        const Lock lock(mutex_);
        mailbox_ = parts.loop.mailbox();
        early = std::exchange(early_, nullptr);
    }
    if (early) begin(std::move(early));
}

void JwksFetcher::on_loop_stop(pipeline::LoopParts& parts) {
    if (parts.index != 0) return;
    parts_ = nullptr;
    const Lock lock(mutex_);
    mailbox_.reset();
    ended_ = true;
}

void JwksFetcher::ask(Done done) {
    std::shared_ptr<runtime::Mailbox> mailbox;
    {
        const Lock lock(mutex_);
        mailbox = mailbox_;
        if (!mailbox && !ended_) {
            early_ = std::move(done);
            return;
        }
    }
    if (!mailbox) return done(fail(ErrorCode::kUnavailable, "jwt.jwks_url: the server is ending"));
    // Refused, or dropped unrun, by a loop that ends: JwksSource takes such a fetch for lost.
    static_cast<void>(mailbox->post([this, done = std::move(done)]() mutable { begin(std::move(done)); }));
}

void JwksFetcher::begin(Done done) {
    if (parts_ == nullptr) return done(fail(ErrorCode::kUnavailable, "jwt.jwks_url: the server is ending"));
    http::ClientRequest request;
    request.target = place_.target;
    request.headers.add("Accept", "application/jwk-set+json, application/json");
    request.headers.add("User-Agent", "tidegate");
    const auto gathering = std::make_shared<GatherKeys>(std::move(done));
    gathering->hold(parts_->client->start(place_.origin, std::move(request), times_, gathering));
}

}  // namespace tidegate::app
