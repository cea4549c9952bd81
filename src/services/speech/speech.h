// Speech: recordings in, who said what when out; what the service holds while it runs.
//
// Position    A service. Routes hand it uploads; each becomes a session and a durable job; whoever waits is called when the job is done.
// Guarantee   An upload that was accepted is transcribed once, also after kill -9: its file and its job are on the disk before the answer,
//             and the first transcript of a session stays. Whoever waits hears of every end of its job. Without the model nothing is accepted, and the answer says what to install.
// Memory      speech.decoders decoders, and what their jobs hold.
// Threads     accept() and the reads: any but a loop's. Work is done on the jobs' threads; one of its own forgets what is old.
// When it fails  A recording that cannot be read fails for good, with its reason; a recogniser that fails is tried again.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "services/module/module.h"
#include "services/speech/settings.h"
#include "services/speech/store.h"
#include "services/speech/upload.h"

namespace tidegate::speech {

inline constexpr std::string_view kService = "speech";
inline constexpr std::string_view kJobKind = "transcribe";

/// What is wanted of a recording.
struct Wish {
    Separation separation = Separation::kAuto;
    bool summary = false;
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
    bool is_degraded() const override { return !missing_model(settings_.model_dir).empty(); }
    void append_status(JsonWriter& writer) const override;
    void stop() override;

    const SpeechSettings& settings() const noexcept { return settings_; }
    const service::House& house() const noexcept { return house_; }
    SpeechStore& store() noexcept { return *store_; }
    const DecoderPool& decoders() const noexcept { return decoders_; }
    UploadRules upload_rules(std::vector<std::string> file_fields) const {
        return {.file_fields = std::move(file_fields),
                .folder = house_.jobs.blob_folder(),
                .disk_free_min = settings_.disk_free_min_bytes};
    }
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

  private:
    static constexpr Duration kLookMax = std::chrono::seconds(5);
    Speech(const SpeechSettings& settings, const service::House& house);
    jobs::Outcome work(jobs::Run& run);
    jobs::Outcome transcribe_session(jobs::Run& run, const Session& session, const Wish& wish);
    void tell_waiter(const std::string& session, const std::optional<Error>& why = std::nullopt);
    void on_job_end(const jobs::Job& job);
    Result<void> sweep();
    void sweep_each_minute();
    jobs::Outcome end_completed(const Session& session, const Wish& wish);
    jobs::Outcome end_failed(const std::string& session, const Error& error);

    const SpeechSettings& settings_;
    const service::House house_;
    DecoderPool decoders_;
    std::unique_ptr<SpeechStore> store_;

    Mutex mutex_;
    std::map<std::string, WhenDone, std::less<>> waiters_ TG_GUARDED_BY(mutex_);
    std::map<std::string, std::vector<WhenRecorded>, std::less<>> recording_ TG_GUARDED_BY(mutex_);
    Condition stop_asked_;
    bool stopping_ TG_GUARDED_BY(mutex_) = false;
    std::thread sweeper_;  // From open() to stop().

    observe::Counter completed_, failed_, words_;
    std::atomic<double> audio_s_{0}, speech_s_{0}, cpu_s_{0};
};

// The parts of the table, a file each.
void register_transcribe_routes(std::vector<pipeline::Route>& routes, Speech& speech);
void register_session_routes(std::vector<pipeline::Route>& routes, Speech& speech);
void register_summary_route(std::vector<pipeline::Route>& routes, Speech& speech);
void register_openai_route(std::vector<pipeline::Route>& routes, Speech& speech);

}  // namespace tidegate::speech
