// A log in a folder of its own, its tree in memory, a clock that the test moves, and the reports that are made of it.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <deque>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include "audit/follower.h"
#include "audit/proof/checkpoint.h"
#include "audit/segment_decision_log.h"
#include "audit/views/columns.h"
#include "audit/views/kinds.h"
#include "services/compliance/reports/report.h"

namespace tidegate::compliance {

inline constexpr UnixMillis kBegin = 1'772'366'400'000;  // 2026-03-01T12:00:00Z
inline constexpr UnixMillis kHour = 3'600'000;
inline constexpr UnixMillis kDay = 24 * kHour;

/// Keeps the hashes of the leaves, as the proof keeper does on disk.
class LeafKeeper final : public audit::Follower {
  public:
    std::string_view name() const noexcept override { return "leaves"; }
    std::uint64_t position() const noexcept override { return leaves.size(); }
    Result<void> follow(const audit::DurableRecords& records) override {
        leaves.insert(leaves.end(), records.leaves.begin(), records.leaves.end());
        return {};
    }
    std::vector<Sha256> leaves;  // To be read when the log is flushed.
};

class ReportTest : public ::testing::Test {
  protected:
    explicit ReportTest(std::uint64_t segment_bytes = 64 * 1024)
        : segment_bytes_(segment_bytes),
          folder_((std::filesystem::temp_directory_path() / "tidegate_reports_XXXXXX").string()) {
        EXPECT_NE(::mkdtemp(folder_.data()), nullptr);
        open();
    }
    ~ReportTest() override {
        history_.reset();
        log_->close();
        log_.reset();
        columns_.reset();
        std::error_code ignored;
        std::filesystem::remove_all(folder_, ignored);
    }

    void open() {
        audit::SegmentDecisionLogOptions options;
        options.segments.segment_bytes = segment_bytes_;
        options.segments.spares_ahead = 1;
        log_ = audit::SegmentDecisionLog::open(folder("log"), options, clock_, random_).value();
        columns_ =
            audit::Columns::open(folder("columns"), {}, log_->reader(), log_->segments().log_id(), kinds_).value();
        ASSERT_TRUE(log_->follow({columns_.get(), &leaves_}));
        history_ = std::make_unique<audit::LogHistory>(log_->reader(), *columns_, log_->segments().log_id());
    }
    std::unique_ptr<audit::segments::LogFolder> folder(const std::string& name) const {
        return std::make_unique<audit::segments::SystemLogFolder>(folder_ + "/" + name, true,
                                                                  audit::segments::Survives::kProcess);
    }

    /// A decision with everything that the controls ask for, made now.
    audit::Decision decision(const std::string& tenant = "north") {
        audit::Decision d;
        d.id = make_uuid7(clock_, random_);
        d.request_id = to_string(d.id);
        d.tenant = tenant;
        d.actor = "key:maria";
        d.service = "credit";
        d.operation = "score/form";
        d.input_hash = sha256(d.request_id);
        d.input_size = 100;
        d.model = "scorer";
        d.model_version = "2.1.0";
        d.output = R"({"score":0.5})";
        d.band = "pass";
        return d;
    }
    audit::Decision event(const std::string& service, const std::string& operation, const std::string& output = "{}") {
        audit::Decision e;
        e.kind = audit::RecordKind::kEvent;
        e.id = make_uuid7(clock_, random_);
        e.request_id = to_string(e.id);
        e.actor = "key:olga";
        e.tenant = "north";
        e.service = service;
        e.operation = operation;
        e.output = output;
        return e;
    }
    /// Durable when it returns; a second later than the record before. Gives the id.
    std::string add(audit::Decision record) {
        std::string id = to_string(record.id);
        log_->append(std::move(record), [](const Result<void>& done) { EXPECT_TRUE(done) << done.error().message; });
        log_->flush();
        clock_.advance(std::chrono::seconds(1));
        return id;
    }
    /// A log in which every control that can be judged holds.
    void add_good() {
        for (int i = 0; i < 30; ++i) add(decision(i % 3 == 0 ? "south" : "north"));
        add(event("compliance", "access/query"));
        add(event("compliance", "hold/place", R"({"reason":"asked for"})"));
        add(event("compliance", "erase/subject", R"({"subject":"00","keys_destroyed":1,"contents":4})"));
        add(event("compliance", "report/sec"));
        retention_days_ = 2'200;
        alerts_ = std::vector<AlertSeen>{{.id = "1",
                                          .tenant = "north",
                                          .service = "credit",
                                          .model = "scorer",
                                          .opened = kBegin,
                                          .by_person = true}};
    }
    /// Until at least so many segments are sealed.
    void add_segments(std::uint64_t segments) {
        audit::Decision large = decision();
        while (log_->reader().segments()->size() <= segments) {
            large = decision();
            large.output = "\"" + std::string(20'000, 'x') + "\"";
            add(large);
        }
        log_->segments().settle();
    }

    void sign() {
        const audit::proof::TreeHead head{leaves_.leaves.size(), log_->segments().tree().root()};
        head_ = ReportHead{head, clock_.unix_ms(), audit::proof::sign_checkpoint(head, clock_.unix_ms(), key_),
                           key_.verifier().to_text()};
    }
    LogSources sources() const {
        LogSources sources{.reader = log_->reader(), .history = history_.get(), .hashes = hashes_};
        sources.log_id = "0123";
        sources.head = head_;
        sources.retention = std::chrono::hours(24) * retention_days_;
        sources.holds = holds_;
        sources.alerts = alerts_;
        sources.now = clock_.unix_ms();
        return sources;
    }
    static ReportQuery whole_day() { return {.from = kBegin - kHour, .to = kBegin + kDay}; }
    Result<Report> try_make(std::string_view name, const ReportQuery& query, std::size_t rows_max = 20,
                            std::uint64_t records_max = 1'000'000) {
        if (!keeps_head_) sign();
        // A view of leaves moves with them.
        hashes_ = Hashes(leaves_.leaves);
        return make_report(name, query, sources(),
                           {.records_max = records_max, .rows_max = rows_max, .cancelled = cancelled_});
    }
    Report make(std::string_view name, const ReportQuery& query = whole_day(), std::size_t rows_max = 20) {
        auto made = try_make(name, query, rows_max);
        EXPECT_TRUE(made) << made.error().message;
        return made ? *std::move(made) : Report{};
    }
    std::vector<ControlResult> make_all(const ReportQuery& query = whole_day()) {
        std::vector<ControlResult> all;
        for (const std::string_view name : report_names()) {
            ReportQuery asked = query;
            if (name == "gdpr") asked.subject = "key:maria";
            for (ControlResult& control : make(name, asked).controls) all.push_back(std::move(control));
        }
        return all;
    }

    class Hashes final : public audit::proof::SubtreeReader {
      public:
        Hashes() = default;
        explicit Hashes(std::span<const Sha256> leaves) : leaves_(leaves) {}
        Result<Sha256> subtree(unsigned level, std::uint64_t index) const override {
            return audit::proof::LeafReader(leaves_).subtree(level, index);
        }

      private:
        std::span<const Sha256> leaves_;
    };

    const std::uint64_t segment_bytes_;
    std::string folder_;
    ManualClock clock_{kBegin};
    SeededRandom random_{7};
    audit::Kinds kinds_;
    LeafKeeper leaves_;
    Hashes hashes_;
    std::unique_ptr<audit::SegmentDecisionLog> log_;
    std::unique_ptr<audit::Columns> columns_;
    std::unique_ptr<audit::LogHistory> history_;
    const audit::proof::SigningKey key_ =
        audit::proof::SigningKey::from_seed(std::string(32, 'k'), "log.example/reports").value();
    std::optional<ReportHead> head_;
    bool keeps_head_ = false;  // The test says what is signed.
    std::int64_t retention_days_ = 0;
    std::vector<audit::keep::Hold> holds_;
    std::optional<std::vector<AlertSeen>> alerts_;
    std::function<bool()> cancelled_;
};

inline const ControlResult& control(const std::vector<ControlResult>& all, std::string_view id) {
    for (const ControlResult& one : all) {
        if (one.id == id) return one;
    }
    static const ControlResult none;
    ADD_FAILURE() << "no control " << id;
    return none;
}

}  // namespace tidegate::compliance
