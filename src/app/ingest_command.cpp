// `tidegate ingest FILE|-`: decisions in lines of JSON to a server, or straight into the log of a stopped one.
#include "app/commands.h"

#include <fmt/core.h>

#include <fstream>
#include <future>
#include <iostream>
#include <optional>

#include "app/audit_assembly.h"
#include "app/compliance_assembly.h"
#include "app/ingest_upload.h"
#include "app/server.h"
#include "base/file.h"
#include "base/strings.h"

namespace tidegate::app {
namespace {

namespace ingest = compliance::ingest;

constexpr std::string_view kIngestUsage =
    "ingest takes FILE or -, and --server URL [--key KEY] [--batch LINES] [--connections N]; without --server the "
    "decisions go "
    "into the log in data.dir, while no server runs";
// Of the offline way: as many as a piece of a stream.
constexpr std::size_t kTakeLines = 1024;

struct IngestWords {
    std::string file;
    std::optional<std::string> server;
    UploadOptions options;
};

Result<IngestWords> read_ingest_words(const std::vector<std::string>& words) {
    const auto wrong = [] { return fail(ErrorCode::kInvalidArgument, std::string(kIngestUsage)); };
    IngestWords read;
    for (std::size_t i = 0; i < words.size(); ++i) {
        const std::string& word = words[i];
        if (word == "-" || !word.starts_with("--")) {
            if (!read.file.empty()) return wrong();
            read.file = word;
            continue;
        }
        if (i + 1 == words.size()) return wrong();
        const std::string& value = words[++i];
        if (word == "--server") {
            read.server = value;
        } else if (word == "--key") {
            read.options.key = value;
        } else if (word == "--batch" || word == "--connections") {
            const auto number = parse_u64(value);
            const std::uint64_t most = word == "--batch" ? 1'000'000 : 64;
            if (!number || *number == 0 || *number > most) {
                return fail(ErrorCode::kInvalidArgument, fmt::format("{} takes a number from 1 to {}", word, most));
            }
            if (word == "--batch") {
                read.options.batch = *number;
            } else {
                read.options.connections = static_cast<unsigned>(*number);
            }
        } else {
            return wrong();
        }
    }
    if (read.file.empty()) return wrong();
    if (read.server) {
        TG_TRY(read.options.origin, http::parse_origin(*read.server));
    }
    return read;
}

/// Reads and takes, some lines at a time.
class Offline {
  public:
    Offline(ingest::Intake& intake, const Clock& clock, audit::privacy::PrivacyPolicy* privacy)
        : intake_(intake), clock_(clock), privacy_(privacy) {}

    UploadCounts run(std::istream& in) {
        std::string line;
        while (std::getline(in, line)) {
            ++counts_.sent;
            add(line);
            if (incoming_.size() == kTakeLines) take();
        }
        take();
        return counts_;
    }

  private:
    void add(std::string_view line) {
        if (trim(line).empty()) return;
        auto made = ingest::read_decision(line, {.tenant = {}, .now = clock_.unix_ms(), .privacy = privacy_});
        if (made) {
            incoming_.push_back(*std::move(made));
            numbers_.push_back(counts_.sent);
            return;
        }
        ++counts_.invalid;
        const auto& fault = made.error().front();
        show(counts_.sent, fmt::format("invalid: {} {}", fault.field, fault.message));
    }
    void take() {
        if (incoming_.empty()) return;
        std::promise<std::vector<ingest::Outcome>> promise;
        intake_.take(std::exchange(incoming_, {}),
                     [&](std::vector<ingest::Outcome> outcomes) { promise.set_value(std::move(outcomes)); });
        const auto outcomes = promise.get_future().get();
        for (std::size_t i = 0; i < outcomes.size(); ++i) count(outcomes[i], numbers_[i]);
        numbers_.clear();
    }
    void count(const ingest::Outcome& outcome, std::uint64_t line) {
        switch (outcome.kind) {
            case ingest::Outcome::Kind::kRecorded:
                ++counts_.recorded;
                return;
            case ingest::Outcome::Kind::kDuplicate:
                ++counts_.duplicates;
                return;
            case ingest::Outcome::Kind::kConflict:
                ++counts_.conflicts;
                return show(line, "conflict with " + tidegate::to_string(outcome.id));
            case ingest::Outcome::Kind::kFailed:
                ++counts_.failed;
                return show(line, "failed: " + outcome.error->message);
        }
    }
    void show(std::uint64_t line, const std::string& what) {
        constexpr std::uint64_t kShownMax = 20;
        if (++shown_ <= kShownMax) fmt::print(stderr, "line {}: {}\n", line, what);
    }

    ingest::Intake& intake_;
    const Clock& clock_;
    audit::privacy::PrivacyPolicy* const privacy_;
    UploadCounts counts_;
    std::vector<ingest::Incoming> incoming_;
    std::vector<std::uint64_t> numbers_;
    std::uint64_t shown_ = 0;
};

/// The record of a stopped server, opened as the server would.
Result<UploadCounts> ingest_offline(std::istream& in, const AppSettings& settings) {
    const SystemClock clock;
    SystemRandom random;
    SystemDisk disk;
    const std::string database = database_path(settings.process.data_dir);
    TG_CHECK(disk.make_directories(settings.process.data_dir));
    TG_TRY(const auto log, observe::Logger::open({.level = observe::Level::kWarn}, clock));
    TG_TRY(const auto compliance,
           ComplianceAssembly::open(
               {.settings = settings, .clock = clock, .random = random, .log = *log, .loopback_without_keys = false}));
    auto audit = AuditAssembly::open(
        {.settings = settings, .database_path = database, .clock = clock, .random = random, .disk = disk, .log = *log},
        [&](audit::StoredLog& opened, bool is_short) { return compliance->followers(opened, is_short); });
    if (!audit) return std::unexpected(std::move(audit).error());
    auto started = compliance->start(**audit);
    std::optional<UploadCounts> counts;
    if (started) counts = Offline(compliance->ingest().intake(), clock, compliance->privacy()).run(in);
    compliance->stop();
    (*audit)->stop();
    compliance->save();
    TG_CHECK(std::move(started));
    return *std::move(counts);
}

}  // namespace

int run_ingest(const Invocation& invocation) {
    const auto words = read_ingest_words(invocation.words);
    if (!words) return wrong_use(words.error().message);
    std::ifstream file;
    if (words->file != "-") {
        file.open(words->file, std::ios::binary);
        if (!file) return wrong_use(fmt::format("{} cannot be read", words->file));
    }
    std::istream& in = words->file == "-" ? std::cin : file;
    const auto counts = words->server ? upload(in, words->options) : ingest_offline(in, invocation.settings);
    if (!counts) {
        fmt::print(stderr, "tidegate: {}\n", counts.error().message);
        return 1;
    }
    if (!counts->gave_up.empty()) fmt::print(stderr, "tidegate: gave up: {}\n", counts->gave_up);
    fmt::print("sent {} new {} duplicates {} conflicts {} invalid {} failed {}\n", counts->sent, counts->recorded,
               counts->duplicates, counts->conflicts, counts->invalid, counts->failed);
    const bool all = counts->conflicts + counts->invalid + counts->failed == 0 && counts->gave_up.empty() && !in.bad();
    return all ? 0 : 1;
}

}  // namespace tidegate::app
