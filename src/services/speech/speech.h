// Speech: recordings in, who said what when out; what the service holds while it runs.
//
// Position    A service. Routes hand it uploads; each becomes a session and a durable job; whoever waits is called when the job is done.
// Guarantee   An upload that was accepted is transcribed once, also after kill -9: its file and its job are on the disk before the answer,
//             and the first transcript of a session stays. Whoever waits hears of every end of its job. Without the model nothing is accepted, and the answer says what to install.
//             Who heard a recording stands in its session; who stood in for whom, and why, too.
// Memory      speech.decoders decoders, and what their jobs hold.
// Threads     accept() and the reads: any but a loop's. Work is done on the jobs' threads; one of its own forgets what is old.
//             A session ends with its job, however that ends: at once, or by the sweep of each minute where a kill came between. A dead
//             job's stays as it is, with its recording, until the job is retried or gone.
// When it fails  A recording that cannot be read fails for good, with its reason; a recogniser that fails is tried again. An upstream that
//             fails is tried again for recordings that nobody waits for; whoever waits is told at once.
#pragma once

#include <array>
#include <atomic>
#include <expected>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "services/module/module.h"
#include "services/speech/disk_shares.h"
#include "services/speech/remote/remote_engine.h"
#include "services/speech/settings.h"
#include "services/speech/store.h"
#include "services/speech/upload.h"

namespace tidegate::speech {

inline constexpr std::string_view kService = "speech";
inline constexpr std::string_view kJobKind = "transcribe";

// Engines, as answers name them.
inline constexpr std::string_view kEmbedded = "embedded";
inline constexpr std::string_view kUpstream = "upstream";
/// The language that the embedded recogniser knows, as Wish::language has it.
inline constexpr std::string_view kEnglish = "en";

/// What is wanted of a recording.
struct Wish {
    Separation separation = Separation::kAuto;
    bool summary = false;
    bool translate = false;  // Into English.
    std::string language;    // `en`; empty: not said.
    std::string prompt;      // For an upstream; the embedded recogniser takes none.
    std::optional<double> temperature;
};

/// What a recording came to, and by whom.
struct Heard {
    Transcript transcript;
    std::string engine, model, model_version;
    std::string fallback;  // Why the embedded recogniser stood in; empty: it did not.
};
struct NotHeard {
    Error error;
    bool again = false;  // Another run may do better.
    std::optional<Duration> pause = std::nullopt;
};

struct EngineState {
    bool ready = false;  // Recordings can be transcribed.
    bool sound = false;  // And everything that is set up works.
    std::string detail;  // What does not.
};

struct Accepted {
    std::string session;
    std::string job;
};

/// Told of a session; the error: why its job ended without one being stored in the session.
using WhenDone = std::function<void(const std::string& session, const std::optional<Error>& why)>;
using WhenRecorded = std::move_only_function<void(const Result<void>&)>;

class Speech final : public service::Service {
  public:
    static Result<std::unique_ptr<Speech>> open(const SpeechSettings& settings, const service::House& house);
    ~Speech() override;

    void register_routes(std::vector<pipeline::Route>& routes) override;
    void declare_metrics(observe::Registry& registry) const override;
    bool is_degraded() const override { return !engine_state().sound; }
    void append_status(JsonWriter& writer) const override;
    void stop() override;

    const SpeechSettings& settings() const noexcept { return settings_; }
    const service::House& house() const noexcept { return house_; }
    SpeechStore& store() noexcept { return *store_; }
    const DecoderPool& decoders() const noexcept { return decoders_; }
    UploadRules upload_rules(std::vector<std::string> file_fields, std::string tenant) const {
        return {.file_fields = std::move(file_fields),
                .folder = house_.jobs.blob_folder(),
                .disk_free_min = settings_.disk_free_min_bytes,
                .shares = shares_.get(),
                .tenant = std::move(tenant)};
    }

    bool has_upstream() const noexcept { return settings_.engine == kUpstream; }
    /// What has to be installed before recordings are taken; empty: nothing.
    std::string missing() const;
    /// Of the engine that is asked first.
    std::string_view model() const noexcept;
    std::string model_version() const;
    EngineState engine_state() const;
    SoundLimits limits() const;

    /// How long the file says it is; kUnsupportedMedia, kFailedValidation, kTooLarge as SoundFile::open(). One whose head takes longer
    /// than kLookMax to read is kFailedValidation; kCancelled: `is_gone` said so.
    Result<std::optional<double>> look_at(const std::string& path, const std::function<bool()>& is_gone) const;
    /// `when_done`, where given, runs once when the session's work is over, however, unless the server ends first: on a worker, or on
    /// the thread of whoever cancelled the job.
    Result<Accepted> accept(const pipeline::Context& context, Uploaded uploaded, const Wish& wish,
                            WhenDone when_done = {});
    /// Nobody waits any more.
    void forget_waiter(const std::string& session);

    /// The summary of a session's segments, made and saved when there is none yet; as JSON.
    Result<std::string> summarise_session(const Session& session);

    /// True: the caller records the session's first answer and says so with end_record(). False: somebody does already. `told` hears how
    /// it went either way.
    bool begin_record(const std::string& session, WhenRecorded told);
    void end_record(const std::string& session, const Result<void>& how);

    /// Whether the log holds a record with this id.
    Result<bool> is_recorded(const std::string& id) const;

  private:
    static constexpr Duration kLookMax = std::chrono::seconds(5);
    Speech(const SpeechSettings& settings, const service::House& house);
    Result<void> open_engines();
    Result<Accepted> hand_to_jobs(const Session& session, Uploaded uploaded, const Wish& wish, WhenDone when_done);
    std::string why_no_fallback(const Wish& wish) const;
    std::expected<Heard, NotHeard> hear(const std::string& path, const Wish& wish, const TranscribeOptions& options);
    std::expected<Heard, NotHeard> hear_embedded(const std::string& path, const TranscribeOptions& options);
    void declare_engine_metrics(observe::Registry& registry) const;
    bool is_waited_for(const std::string& session);
    jobs::Outcome work(jobs::Run& run);
    jobs::Outcome end_unheard(const jobs::Run& run, const Session& session, const NotHeard& why);
    void count_completed(const Session& session);
    jobs::Outcome transcribe_session(jobs::Run& run, const Session& session, const Wish& wish);
    void tell_waiter(const std::string& session, const std::optional<Error>& why = std::nullopt);
    void on_job_end(const jobs::Job& job);
    Result<void> sweep();
    Result<void> sweep_unfinished(const SpeechStore::Unfinished& one);
    Result<std::optional<jobs::Job>> job_of(const SpeechStore::Unfinished& one);
    void sweep_each_minute();
    jobs::Outcome end_completed(const Session& session, const Wish& wish);
    jobs::Outcome end_failed(const std::string& session, const Error& error);

    const SpeechSettings& settings_;
    const service::House house_;
    DecoderPool decoders_;
    std::unique_ptr<RemoteEngine> remote_;  // With speech.engine: upstream.
    std::unique_ptr<SpeechStore> store_;
    std::unique_ptr<DiskShares> shares_;

    Mutex mutex_;
    std::map<std::string, WhenDone, std::less<>> waiters_ TG_GUARDED_BY(mutex_);
    std::map<std::string, std::vector<WhenRecorded>, std::less<>> recording_ TG_GUARDED_BY(mutex_);
    std::set<std::string, std::less<>> accepting_ TG_GUARDED_BY(mutex_);  // Sessions within accept().
    Condition stop_asked_;
    bool stopping_ TG_GUARDED_BY(mutex_) = false;
    std::thread sweeper_;  // From open() to stop().

    observe::Counter completed_, failed_, words_, by_embedded_, by_upstream_;
    std::array<observe::Counter, RemoteFailure::kWhys> fallbacks_{}, upstream_failures_{};
    std::atomic<double> audio_s_{0}, speech_s_{0}, cpu_s_{0};
};

// The parts of the table, a file each.
void register_transcribe_routes(std::vector<pipeline::Route>& routes, Speech& speech);
void register_session_routes(std::vector<pipeline::Route>& routes, Speech& speech);
void register_summary_route(std::vector<pipeline::Route>& routes, Speech& speech);
void register_openai_routes(std::vector<pipeline::Route>& routes, Speech& speech);

}  // namespace tidegate::speech
