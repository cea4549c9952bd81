// RemoteEngine: another server's recogniser in the place of ours: the same walk over the recording, its stretches of speech sent away.
//
// Position    Beside recognise/transcribe.h: where somebody speaks is found here, what is said is asked there. Over RemoteCaller.
// Algorithm   The stretches of speech of each speaker, one after the other, make pieces of at most piece_max; a piece is a request. Channels
//             that are speakers are sent channel by channel. An engine without times (RemoteTimes::kNone) is asked stretch by stretch, so that
//             each segment still has its place.
//             A piece that is throttled (429), or a later one that meets an open breaker, rests as long as it is told and is sent again.
// Memory      Three times a piece: its samples, the request, and the copy that may be sent again.
// Threads     Any, several at once.
// When it fails  As SoundFile; kUnavailable with a RemoteFailure: the upstream. Of a recording that it gave in part nothing is kept.
#pragma once

#include <expected>
#include <memory>
#include <optional>
#include <string>

#include "services/speech/recognise/transcribe.h"
#include "services/speech/remote/caller.h"
#include "services/speech/remote/remote_answer.h"

namespace tidegate::speech {

struct RemoteOptions {
    upstream::UpstreamOptions upstream;
    std::string base_path;  // `/v1`
    std::string model;
    std::string key;  // Empty: none is sent.
    RemoteTimes times = RemoteTimes::kWords;
    Duration piece_max = std::chrono::minutes(10);
    Duration rest_max = std::chrono::minutes(1);  // For each piece, in all.
};

/// What of a caller's wishes the other server is told.
struct RemoteWish {
    bool translate = false;  // Into English, as OpenAI's /v1/audio/translations.
    std::string language;    // Empty: it finds out.
    std::string prompt;
    std::optional<double> temperature;
};

struct RemoteNotHeard {
    Error error;
    std::optional<RemoteFailure> failure;  // Of the upstream; none: the recording, or the work was cancelled.
};

class RemoteEngine {
  public:
    /// What it is given outlives it. kInvalidArgument: the options.
    static Result<std::unique_ptr<RemoteEngine>> create(RemoteOptions options, const Clock& clock, Random& random,
                                                        observe::Logger& log);

    std::expected<Transcript, RemoteNotHeard> transcribe(const std::string& path, const TranscribeOptions& options,
                                                         const RemoteWish& wish);

    const RemoteOptions& options() const noexcept { return options_; }
    const RemoteCaller& caller() const noexcept { return *caller_; }
    /// Any of its targets may be asked now.
    bool is_usable() const;

  private:
    struct Walk;
    RemoteEngine(RemoteOptions options, Random& random, std::unique_ptr<RemoteCaller> caller)
        : options_(std::move(options)), random_(random), caller_(std::move(caller)) {}
    Result<void> send_piece(Walk& walk);
    std::expected<std::string, RemoteFailure> ask_patiently(const Walk& walk, const http::ClientRequest& request,
                                                            const RemoteCaller::Judge& judge);
    http::ClientRequest make_request(const Walk& walk, RemoteTimes times) const;

    const RemoteOptions options_;
    Random& random_;
    const std::unique_ptr<RemoteCaller> caller_;
};

}  // namespace tidegate::speech
