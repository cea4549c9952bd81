#include "services/compliance/reports/pass.h"

#include <fmt/format.h>

#include <utility>

#include "services/compliance/reports/span_root.h"

namespace tidegate::compliance {
namespace {

using audit::segments::Bytes;

// A few milliseconds of reading.
constexpr std::uint64_t kAskEach = 4096;
// Look-ups at the end of a pass: each some hundred microseconds.
constexpr std::size_t kSampleMax = 100;

bool is_of(const std::optional<std::string>& wanted, std::string_view have) {
    return !wanted || *wanted == have;
}

class Walk {
  public:
    Walk(const ReportQuery& query, const LogSources& sources, const PassLimits& limits, std::span<Tally> tallies)
        : query_(query), sources_(sources), limits_(limits), tallies_(tallies), root_(sources.hashes) {}

    Result<Walked> over(std::vector<LeafRange> leaves) {
        found_.leaves = std::move(leaves);
        std::uint64_t total = 0;
        for (const LeafRange& range : found_.leaves) total += range.to - range.from;
        if (total > limits_.records_max) {
            return fail(
                ErrorCode::kTooLarge,
                fmt::format("The period covers {} records of the log and compliance.report_records_max is {}: ask "
                            "for a shorter period.",
                            total, limits_.records_max));
        }
        sample_each_ = total / kSampleMax + 1;
        for (const LeafRange& range : found_.leaves) {
            TG_CHECK(read(range));
            if (damaged_) break;
        }
        judge_root();
        return std::move(found_);
    }

  private:
    Result<void> read(const LeafRange& range) {
        skip_to(range.from);
        recorded_before_ = 0;
        bool cancelled = false;
        const auto end = sources_.reader.scan(range.from, range.to, [&](std::uint64_t leaf, Bytes bytes) {
            if (found_.read++ % kAskEach == 0 && limits_.cancelled && limits_.cancelled()) {
                cancelled = true;
                return false;
            }
            return take(leaf, bytes);
        });
        if (cancelled) return fail(ErrorCode::kCancelled, "nobody waits for the report any more");
        if (!end && end.error().code == ErrorCode::kDataLoss) note_damage(end.error().message);
        if (!end && !damaged_) return std::unexpected(end.error());
        return {};
    }

    bool take(std::uint64_t leaf, Bytes bytes) {
        const auto view = audit::segments::decode(bytes);
        if (!view) {
            note_damage(fmt::format("record {} of the log: {}", leaf, view.error().message));
            return false;
        }
        if (hashing_) root_.add(audit::segments::leaf_hash(bytes));
        const UnixMillis before = std::exchange(recorded_before_, view->recorded);
        const UnixMillis time = unix_ms_of(view->id);
        if (time < query_.from || time >= query_.to || !is_of(query_.tenant, view->tenant)) return true;
        const Seen seen{.view = *view, .time = time, .recorded_before = before, .query = query_};
        if (seen.is_decision() && (!is_of(query_.service, view->service) || !is_of(query_.model, view->model)))
            return true;
        ++(seen.is_decision() ? found_.decisions : found_.events);
        if ((found_.read - 1) / sample_each_ >= found_.sample.size()) found_.sample.emplace_back(leaf, view->id);
        for (Tally& tally : tallies_) tell(tally, seen, leaf);
        return true;
    }

    void tell(Tally& tally, const Seen& seen, std::uint64_t leaf) const {
        if (!tally.rule->applies(seen)) return;
        ++tally.n;
        const char* const flaw = tally.rule->flaw(seen);
        if (flaw == nullptr) return;
        if (++tally.failing > limits_.rows_max) return;
        tally.rows.push_back({to_string(seen.view.id), leaf, seen.time, flaw});
    }

    // Without a checkpoint, or without the hashes between the spans, there is no root to lead to.
    void skip_to(std::uint64_t leaf) {
        if (!hashing_) return;
        if (!sources_.head) return stop_hashing("Nothing of the log has been signed yet.");
        if (const auto skipped = root_.skip_to(leaf); !skipped) {
            stop_hashing("The kept hashes of the tree cannot be read: " + skipped.error().message);
        }
    }
    void stop_hashing(std::string reason) {
        hashing_ = false;
        found_.rehash_reason = std::move(reason);
    }
    void note_damage(std::string reason) {
        damaged_ = true;
        found_.rehash = Rehash::kDamaged;
        found_.rehash_reason = "The log is damaged, and was read up to there: " + std::move(reason);
    }

    void judge_root() {
        if (damaged_) return;
        if (sources_.head) skip_to(sources_.head->head.size);
        if (!hashing_) return;
        if (!sources_.head) return stop_hashing("Nothing of the log has been signed yet.");
        if (found_.read == 0) return stop_hashing("The log holds no record of the period.");
        if (root_.root() == sources_.head->head.root) {
            found_.rehash = Rehash::kAgrees;
        } else {
            found_.rehash = Rehash::kDiffers;
            found_.rehash_reason =
                fmt::format("{} records were read and hashed again, and do not lead to the signed root.", found_.read);
        }
    }

    const ReportQuery& query_;
    const LogSources& sources_;
    const PassLimits& limits_;
    const std::span<Tally> tallies_;
    SpanRoot root_;
    Walked found_;
    std::uint64_t sample_each_ = 1;
    UnixMillis recorded_before_ = 0;
    bool hashing_ = true;
    bool damaged_ = false;
};

}  // namespace

Result<std::vector<LeafRange>> leaves_of(const audit::LogReader& reader, const ReportQuery& query, std::uint64_t end) {
    audit::segments::ZoneFilter filter;
    filter.from = query.from;
    filter.to = query.to;
    filter.tenant = query.tenant;
    TG_TRY(std::vector<LeafRange> leaves, reader.ranges_where(filter));
    for (LeafRange& range : leaves) range.to = std::min(range.to, end);
    std::erase_if(leaves, [](const LeafRange& range) { return range.from >= range.to; });
    return leaves;
}

Result<Walked> walk(const ReportQuery& query, const LogSources& sources, const PassLimits& limits,
                    std::vector<LeafRange> leaves, std::span<Tally> tallies) {
    return Walk(query, sources, limits, tallies).over(std::move(leaves));
}

}  // namespace tidegate::compliance
