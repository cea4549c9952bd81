#include "app/perf_client.h"

#include <fmt/format.h>

#include <algorithm>

#include "app/gathered_answer.h"
#include "base/json.h"
#include "base/strings.h"
#include "base/utf8.h"

namespace tidegate::app {
namespace {

/// A report of a month is some 300 KB.
constexpr std::size_t kBodyMax = 64U * 1024 * 1024;
constexpr auto kTurn = std::chrono::milliseconds(100);

/// What kept the answer from being there whole; empty: it is.
std::string fault_of(const GatheredAnswer& answer) {
    if (!answer.error.empty()) return answer.error;
    return answer.is_cut ? "the answer is larger than 64 MiB" : "";
}

/// What a problem document says, or the body's beginning.
std::string words_of(const GatheredAnswer& answer) {
    const auto document = json::parse(answer.body);
    if (document && document->root().kind() == json::Kind::kObject) {
        const auto detail = document->root().find("detail");
        if (detail && detail->kind() == json::Kind::kString) return std::string(detail->as_string());
    }
    return answer.body.substr(0, 200);
}

/// Takes whole events off the front of `pending`; false: the listener has had enough.
bool take_events(std::string& pending, const std::function<bool(std::string_view, std::string_view)>& event) {
    for (std::size_t end = 0; (end = pending.find("\n\n")) != std::string::npos;) {
        const std::string text = pending.substr(0, end);
        pending.erase(0, end + 2);
        std::string_view name = "message";
        std::string data;
        for (const std::string_view line : split(text, '\n')) {
            if (line.starts_with("event:")) name = trim(line.substr(6));
            if (line.starts_with("data:")) data += trim(line.substr(5));
        }
        if (!data.empty() && !event(name, data)) return false;
    }
    return true;
}

bool is_number(std::string_view text) {
    return !text.empty() && text.find_first_not_of("0123456789.,+-<>= %") == std::string_view::npos;
}

/// Characters that take a place; our tables are ASCII but for what a server's route may hold.
std::size_t width_of(std::string_view text) {
    return static_cast<std::size_t>(
        std::ranges::count_if(text, [](char c) { return (static_cast<unsigned char>(c) & 0xC0U) != 0x80U; }));
}

}  // namespace

std::string PerfWords::one(std::string_view name) const {
    for (const auto& [option, value] : options) {
        if (option == name) return value;
    }
    return {};
}

bool PerfWords::has(std::string_view flag) const {
    return std::ranges::find(flags, flag) != flags.end();
}

Result<PerfWords> PerfWords::read(const std::vector<std::string>& words, std::size_t from,
                                  const std::vector<std::string_view>& options,
                                  const std::vector<std::string_view>& flags) {
    PerfWords out;
    for (std::size_t i = from; i < words.size(); ++i) {
        if (std::ranges::find(flags, words[i]) != flags.end()) {
            out.flags.push_back(words[i]);
        } else if (std::ranges::find(options, words[i]) == options.end()) {
            return fail(ErrorCode::kInvalidArgument, "`" + words[i] + "` is not known here");
        } else if (i + 1 == words.size()) {
            return fail(ErrorCode::kInvalidArgument, words[i] + " wants a value");
        } else {
            out.options.emplace_back(words[i], words[i + 1]);
            ++i;
        }
    }
    return out;
}

Result<std::unique_ptr<ServerTalk>> ServerTalk::open(const Invocation& invocation, const PerfWords& words) {
    std::unique_ptr<ServerTalk> made(new ServerTalk);
    if (const std::string url = words.one("--server"); !url.empty()) {
        TG_TRY(made->origin_, http::parse_origin(url));
    } else {
        const http::ServerSettings& server = invocation.settings.server;
        made->origin_.host = server.address == "0.0.0.0" ? "127.0.0.1"
                             : server.address == "::"    ? "::1"
                                                         : server.address;
        made->origin_.port = server.port;
        made->origin_.tls = !server.tls_certificate.empty();
        made->origin_.ca_file = server.tls_certificate;
    }
    made->key_ = words.one("--key");
    TG_TRY(made->loop_, runtime::EventLoop::create(made->clock_));
    made->names_ = std::make_unique<runtime::WorkerPool>("resolve", 1, 4);
    made->client_ = http::make_client(*made->loop_, *made->names_, {}, made->counters_);
    made->loop_->turn(Duration(0));
    return made;
}

http::ClientRequest ServerTalk::request(std::string_view method, std::string_view target) const {
    http::ClientRequest out;
    out.method = method;
    out.target = target;
    if (!key_.empty()) out.headers.add("Authorization", "Bearer " + key_);
    return out;
}

Result<std::string> ServerTalk::ask(std::string_view method, std::string_view target) {
    const auto answer = std::make_shared<GatheredAnswer>(kBodyMax);
    client_->start(origin_, request(method, target), {}, answer);
    while (!answer->done) loop_->turn(kTurn);
    if (const std::string fault = fault_of(*answer); !fault.empty()) {
        return fail(ErrorCode::kUnavailable, fmt::format("{} port {}: {}", origin_.host, origin_.port, fault));
    }
    if (answer->status < 200 || answer->status > 299) {
        return fail(ErrorCode::kUnavailable,
                    fmt::format("the server answers {}: {}", answer->status, words_of(*answer)));
    }
    return std::move(answer->body);
}

Result<void> ServerTalk::listen(std::string_view target,
                                const std::function<bool(std::string_view, std::string_view)>& event,
                                const std::function<bool()>& tick) {
    const auto answer = std::make_shared<GatheredAnswer>(kBodyMax);
    http::CallTimes times;
    times.total_max = std::chrono::hours(24 * 365);  // A stream has no end of its own.
    const http::CallPtr call = client_->start(origin_, request("GET", target), times, answer);
    std::string seen;
    while (!answer->done) {
        if (answer->status == 200) {
            seen += std::exchange(answer->body, {});
            if (!take_events(seen, event)) break;
        }
        if (!tick()) break;
        loop_->turn(kTurn);
    }
    if (!answer->done) {
        call->cancel();
        return {};
    }
    if (const std::string fault = fault_of(*answer); !fault.empty()) {
        return fail(ErrorCode::kUnavailable, fmt::format("{} port {}: {}", origin_.host, origin_.port, fault));
    }
    if (answer->status != 200) {
        return fail(ErrorCode::kUnavailable,
                    fmt::format("the server answers {}: {}", answer->status, words_of(*answer)));
    }
    seen += answer->body;
    if (!take_events(seen, event)) return {};
    return fail(ErrorCode::kUnavailable, "the server has ended the stream");
}

std::string text_table(const std::vector<std::string>& head, const std::vector<std::vector<std::string>>& rows) {
    std::vector<std::size_t> widths;
    for (const std::string& cell : head) widths.push_back(width_of(cell));
    for (const auto& row : rows) {
        for (std::size_t i = 0; i < row.size() && i < widths.size(); ++i) {
            widths[i] = std::max(widths[i], width_of(row[i]));
        }
    }
    std::string out;
    const auto add = [&](const std::vector<std::string>& row) {
        std::string line;
        for (std::size_t i = 0; i < row.size() && i < widths.size(); ++i) {
            const std::string gap(widths[i] - width_of(row[i]), ' ');
            line += is_number(row[i]) ? gap + row[i] : row[i] + gap;
            line += "  ";
        }
        line.resize(line.find_last_not_of(' ') + 1);
        out += line + "\n";
    };
    add(head);
    std::vector<std::string> rule;
    for (const std::size_t width : widths) rule.emplace_back(width, '=');
    add(rule);
    for (const auto& row : rows) add(row);
    return out;
}

std::string progress_bar(double done) {
    constexpr std::size_t kWide = 30;
    const double share = std::clamp(done, 0.0, 1.0);
    const auto full = static_cast<std::size_t>(share * kWide);
    return "[" + std::string(full, '#') + std::string(kWide - full, '-') + "] " + fmt::format("{:3.0f} %", share * 100);
}

}  // namespace tidegate::app
