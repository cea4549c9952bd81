// Who hears a recording: the embedded recogniser or another server's, and who stands in when that one gives none.
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "services/speech/measured.h"
#include "services/speech/speech.h"

namespace tidegate::speech {
namespace {

constexpr std::string_view kUpstreamName = "speech";

RemoteTimes times_by_name(std::string_view name) noexcept {
    return name == "none" ? RemoteTimes::kNone : name == "segments" ? RemoteTimes::kSegments : RemoteTimes::kWords;
}

RemoteOptions remote_options(const SpeechUpstreamSettings& settings) {
    RemoteOptions out;
    out.upstream.name = kUpstreamName;
    for (const std::string& url : settings.urls) out.upstream.targets.push_back({.url = url});
    out.upstream.tls.ca_file = settings.ca_file;
    out.upstream.times.first_byte_max = settings.timeout;
    out.upstream.times.idle_max = settings.timeout;
    out.upstream.times.total_max = settings.timeout;
    out.upstream.pool.breaker.failures_max = settings.breaker_failures_max;
    out.upstream.pool.breaker.open_for = settings.breaker_open;
    out.upstream.pool.breaker.open_max = std::max(out.upstream.pool.breaker.open_max, settings.breaker_open);
    out.upstream.retry.attempts_max = settings.attempts_max;
    out.base_path = settings.base_path;
    out.model = settings.model;
    out.key = std::string(settings.key.reveal());
    out.times = times_by_name(settings.times);
    out.piece_max = settings.piece_max;
    return out;
}

}  // namespace

Result<void> Speech::open_engines() {
    const auto wrong = [](std::string what) { return fail(ErrorCode::kInvalidArgument, std::move(what)); };
    if (settings_.tenant_bytes_max < settings_.upload_bytes_max) {
        return wrong("speech.tenant_bytes_max is under speech.upload_bytes_max: the largest upload would never fit");
    }
    if (!has_upstream()) {
        if (settings_.fallback == "none") return {};
        return wrong("speech.fallback: embedded stands in for an upstream, and speech.engine is embedded");
    }
    if (settings_.upstream.urls.empty()) return wrong("speech.engine: upstream needs speech.upstream.urls");
    auto remote = RemoteEngine::create(remote_options(settings_.upstream), house_.clock, house_.random, house_.log);
    if (!remote) return wrong("speech.upstream: " + remote.error().message);
    remote_ = *std::move(remote);
    return {};
}

std::string Speech::missing() const {
    return has_upstream() ? std::string() : missing_model(settings_.model_dir);
}

std::string_view Speech::model() const noexcept {
    return has_upstream() ? std::string_view(settings_.upstream.model) : kRecogniser;
}

std::string Speech::model_version() const {
    return has_upstream() ? "upstream:" + settings_.upstream.model : std::string(kRecogniserVersion);
}

EngineState Speech::engine_state() const {
    EngineState out;
    const std::string no_model = missing_model(settings_.model_dir);
    if (!has_upstream()) {
        out.ready = no_model.empty();
        out.sound = out.ready;
        out.detail = no_model;
        return out;
    }
    const bool stands_in = settings_.fallback == "embedded" && no_model.empty();
    const bool usable = remote_->is_usable();
    out.ready = usable || stands_in;
    out.sound = usable && (settings_.fallback == "none" || stands_in);
    if (!usable) {
        out.detail = stands_in ? "No target of the upstream can be asked now; the embedded recogniser stands in."
                               : "No target of the upstream can be asked now.";
    }
    if (settings_.fallback == "embedded" && !stands_in) out.detail += (out.detail.empty() ? "" : " ") + no_model;
    return out;
}

/// Why the embedded recogniser cannot stand in for a wish; empty: it can.
std::string Speech::why_no_fallback(const Wish& wish) const {
    if (settings_.fallback != "embedded") return "nothing stands in for it (speech.fallback)";
    const bool english = wish.language == kEnglish;
    if (wish.translate && !english) return "the embedded recogniser, which would stand in, translates nothing";
    if (!wish.language.empty() && !english) return "the embedded recogniser, which would stand in, knows English alone";
    if (!missing_model(settings_.model_dir).empty())
        return "the embedded recogniser, which would stand in, has no model";
    return {};
}

std::expected<Heard, NotHeard> Speech::hear_embedded(const std::string& path, const TranscribeOptions& options) {
    auto heard = transcribe(path, decoders_, options);
    if (!heard) {
        return std::unexpected(
            NotHeard{.error = heard.error(), .again = heard.error().code == ErrorCode::kUnavailable, .pause = {}});
    }
    return Heard{.transcript = *std::move(heard),
                 .engine = std::string(kEmbedded),
                 .model = std::string(kRecogniser),
                 .model_version = std::string(kRecogniserVersion),
                 .fallback = {}};
}

std::expected<Heard, NotHeard> Speech::hear(const std::string& path, const Wish& wish,
                                            const TranscribeOptions& options) {
    if (!has_upstream()) return hear_embedded(path, options);
    const RemoteWish asked{
        .translate = wish.translate, .language = wish.language, .prompt = wish.prompt, .temperature = wish.temperature};
    auto remote = remote_->transcribe(path, options, asked);
    if (remote) {
        return Heard{.transcript = *std::move(remote),
                     .engine = std::string(kUpstream),
                     .model = settings_.upstream.model,
                     .model_version = model_version(),
                     .fallback = {}};
    }
    if (!remote.error().failure)
        return std::unexpected(NotHeard{.error = remote.error().error, .again = false, .pause = {}});
    const RemoteFailure& failure = *remote.error().failure;
    upstream_failures_[static_cast<std::size_t>(failure.why)].add();
    // The caller's fault: it is told so, no run makes it better, and nobody stands in for what was asked wrongly.
    if (failure.why == RemoteFailure::Why::kRejected) {
        return std::unexpected(
            NotHeard{.error = {ErrorCode::kFailedValidation, failure.detail}, .again = false, .pause = {}});
    }
    std::string no_fallback = why_no_fallback(wish);
    if (!no_fallback.empty()) {
        return std::unexpected(NotHeard{
            .error = {ErrorCode::kUnavailable, fmt::format("{} No transcript: {}.", failure.detail, no_fallback)},
            // By time or by the operator it may be mended, its key and its model too. An answer that is no transcript would be
            // paid for again, and be the same.
            .again = failure.why != RemoteFailure::Why::kNoTranscript,
            .pause = failure.ask_again_in});
    }
    house_.log.line(observe::Level::kWarn, "speech_fallback")
        .field("reason", to_string(failure.why))
        .field("detail", failure.detail);
    auto stood_in = hear_embedded(path, options);
    if (stood_in) {
        stood_in->fallback = to_string(failure.why);
        fallbacks_[static_cast<std::size_t>(failure.why)].add();
    }
    return stood_in;
}

void Speech::declare_engine_metrics(observe::Registry& registry) const {
    using observe::MetricType;
    using observe::Samples;
    const auto by_reason = [](const auto& counters, Samples& out) {
        for (std::size_t i = 0; i < counters.size(); ++i) {
            out.add({to_string(static_cast<RemoteFailure::Why>(i))}, static_cast<double>(counters[i].value()));
        }
    };
    registry.callback(
        {.name = "tidegate_speech_fallbacks_total",
         .help = "Recordings that the embedded recogniser transcribed because the upstream had failed.",
         .labels = {"reason"},
         .when_it_rises =
             "The upstream engine fails: see the reason, its log lines speech_upstream_* and speech.upstream.*."},
        MetricType::kCounter, [this, by_reason](Samples& out) { by_reason(fallbacks_, out); });
    registry.callback(
        {.name = "tidegate_speech_upstream_failures_total",
         .help = "Runs of recordings that the upstream gave no transcript of.",
         .labels = {"reason"},
         .when_it_rises = "As tidegate_speech_fallbacks_total; without a fallback callers get 503, or 422 (rejected)."},
        MetricType::kCounter, [this, by_reason](Samples& out) { by_reason(upstream_failures_, out); });
    registry.callback(
        {.name = "tidegate_speech_transcripts_total", .help = "Transcripts by who made them.", .labels = {"engine"}},
        MetricType::kCounter, [this](Samples& out) {
            out.add({kEmbedded}, static_cast<double>(by_embedded_.value()));
            out.add({kUpstream}, static_cast<double>(by_upstream_.value()));
        });
    registry.callback({.name = "tidegate_speech_upstream_calls_total",
                       .help = "Requests to a target of the upstream, by what became of them.",
                       .labels = {"target", "outcome"}},
                      MetricType::kCounter, [this](Samples& out) {
                          if (!remote_) return;
                          for (const upstream::TargetSnapshot& one : remote_->caller().snapshot().targets) {
                              for (std::size_t i = 0; i < upstream::kOutcomes; ++i) {
                                  if (one.outcomes[i] == 0) continue;
                                  out.add({one.name, upstream::to_string(static_cast<upstream::Outcome>(i))},
                                          static_cast<double>(one.outcomes[i]));
                              }
                          }
                      });
    registry.callback({.name = "tidegate_speech_upstream_usable",
                       .help = "1: this target of the upstream may be asked now.",
                       .labels = {"target"}},
                      MetricType::kGauge, [this](Samples& out) {
                          if (!remote_) return;
                          for (const upstream::TargetSnapshot& one : remote_->caller().snapshot().targets) {
                              out.add({one.name}, one.usable ? 1 : 0);
                          }
                      });
}

}  // namespace tidegate::speech
