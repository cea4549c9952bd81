// What a report is made of: its question, its bounds, and how it is written.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define TIDEGATE_SANITIZED
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define TIDEGATE_SANITIZED
#endif
#endif
#if defined(TIDEGATE_SANITIZED)
#include <sanitizer/allocator_interface.h>
#else
#include <malloc.h>
#endif

#include "base/json.h"
#include "services/compliance_reports/report_fixture.h"

namespace tidegate::compliance {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::SizeIs;

class Reports : public ReportTest {};

TEST_F(Reports, ATenantIsJudgedByItsOwnRecordsAlone) {
    add_good();
    audit::Decision bad = decision("south");
    bad.actor.clear();
    const std::string row = add(bad);
    ReportQuery query = whole_day();
    query.tenant = "north";
    const Report north = make("sec", query);
    EXPECT_EQ(north.decisions, 20U);
    EXPECT_EQ(control(north.controls, "SEC-5").outcome, Outcome::kHolds);
    EXPECT_THAT(to_json(north), Not(HasSubstr(row)));
    EXPECT_THAT(to_json(north), Not(HasSubstr("south")));
    query.tenant = "south";
    const Report south = make("sec", query);
    EXPECT_EQ(south.decisions, 11U);
    EXPECT_EQ(south.events, 0U);
    EXPECT_EQ(control(south.controls, "SEC-5").rows.at(0).id, row);
    query.tenant = "";
    EXPECT_EQ(make("sec", query).decisions, 0U);
}

TEST_F(Reports, WhatIsJudgedOverTheLogOfAllSaysSo) {
    add_good();
    ReportQuery query = whole_day();
    query.tenant = "north";
    const Report report = make("sec", query);
    EXPECT_TRUE(control(report.controls, "SEC-1").whole_log);
    EXPECT_TRUE(control(report.controls, "SEC-2").whole_log);
    EXPECT_FALSE(control(report.controls, "SEC-5").whole_log);
    EXPECT_THAT(to_html(report), HasSubstr("the log of all tenants"));
}

TEST_F(Reports, ThePeriodHasItsFirstMillisecondAndNotItsLast) {
    const UnixMillis first = clock_.unix_ms();
    add(decision());
    const UnixMillis second = clock_.unix_ms();
    add(decision());
    EXPECT_EQ(make("sec", {.from = first, .to = second}).decisions, 1U);
    EXPECT_EQ(make("sec", {.from = first, .to = second + 1}).decisions, 2U);
    EXPECT_EQ(make("sec", {.from = first + 1, .to = second + 1}).decisions, 1U);
    EXPECT_EQ(make("sec", {.from = first + 1, .to = second}).decisions, 0U);
    EXPECT_EQ(try_make("sec", {.from = first, .to = first}).error().code, ErrorCode::kInvalidArgument);
    EXPECT_EQ(try_make("tax", whole_day()).error().code, ErrorCode::kNotFound);
}

TEST_F(Reports, ServiceAndModelNarrowTheDecisions) {
    add_good();
    audit::Decision other = decision();
    other.service = "fraud";
    other.model = "net";
    add(other);
    ReportQuery query = whole_day();
    query.service = "fraud";
    EXPECT_EQ(make("finra", query).decisions, 1U);
    query.service = "credit";
    query.model = "net";
    EXPECT_EQ(make("finra", query).decisions, 0U);
}

TEST_F(Reports, RowsAreTheFirstAndAllAreCounted) {
    std::vector<std::string> bad;
    for (int i = 0; i < 50; ++i) {
        audit::Decision one = decision();
        if (i % 2 == 0) one.actor.clear();
        const bool fails = one.actor.empty();
        const std::string id = add(std::move(one));
        if (fails) bad.push_back(id);
    }
    const Report report = make("sec", whole_day(), 3);
    const ControlResult& who = control(report.controls, "SEC-5");
    EXPECT_EQ(who.n, 50U);
    EXPECT_EQ(who.failing, 25U);
    ASSERT_THAT(who.rows, SizeIs(3));
    for (std::size_t i = 0; i < 3; ++i) EXPECT_EQ(who.rows[i].id, bad[i]);
    EXPECT_EQ(who.rows[1].leaf, 2U);
}

TEST_F(Reports, OnlyWhatTheCheckpointCoversIsJudged) {
    add_good();
    sign();
    keeps_head_ = true;
    audit::Decision bad = decision();
    bad.actor.clear();
    add(bad);
    const Report report = make("sec");
    EXPECT_EQ(report.decisions, 30U);
    EXPECT_THAT(report.leaves, ElementsAre(LeafRange{0, 34}));
    EXPECT_EQ(control(report.controls, "SEC-1").outcome, Outcome::kHolds);
    EXPECT_EQ(report.head->head.size, 34U);
}

TEST_F(Reports, SegmentsThatHoldNothingOfThePeriodAreNotReadAndTheRootStillComesOut) {
    add_segments(2);
    clock_.advance(std::chrono::hours(48));
    const UnixMillis later = clock_.unix_ms();
    add_segments(5);
    clock_.advance(std::chrono::hours(48));
    add_segments(8);
    const Report report = make("sec", {.from = later, .to = later + kHour});
    EXPECT_LT(report.read, leaves_.leaves.size() - 4);
    EXPECT_GT(report.decisions, 0U);
    EXPECT_GE(report.leaves.size(), 2U);
    EXPECT_EQ(control(report.controls, "SEC-1").outcome, Outcome::kHolds) << control(report.controls, "SEC-1").reason;
}

TEST_F(Reports, MoreRecordsThanTheLimitAreRefusedWithBothNumbers) {
    add_good();
    const auto refused = try_make("sec", whole_day(), 20, 33);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, ErrorCode::kTooLarge);
    EXPECT_THAT(refused.error().message, HasSubstr("34"));
    EXPECT_THAT(refused.error().message, HasSubstr("33"));
    EXPECT_TRUE(try_make("sec", whole_day(), 20, 34));
}

TEST_F(Reports, AClientThatHasLeftEndsThePass) {
    add_good();
    int asked = 0;
    cancelled_ = [&] { return ++asked > 0; };
    EXPECT_EQ(try_make("sec", whole_day()).error().code, ErrorCode::kCancelled);
    EXPECT_EQ(asked, 1);
}

TEST_F(Reports, TheSameQuestionGivesTheSameBytes) {
    add_good();
    for (const std::string_view name : report_names()) {
        const Report once = make(name);
        const Report again = make(name);
        EXPECT_EQ(to_json(once), to_json(again));
        EXPECT_EQ(to_html(once), to_html(again));
    }
}

TEST_F(Reports, TheJsonHasCheckpointLeavesAndTheQueryOfEachControl) {
    add_good();
    ReportQuery query = whole_day();
    query.tenant = "north";
    query.service = "credit";
    const Report report = make("sec", query);
    const std::string text = to_json(report);
    const auto parsed = json::parse(text);
    ASSERT_TRUE(parsed) << parsed.error().message;
    const json::Value root = parsed->root();
    EXPECT_EQ(root.find("checkpoint")->find("size")->as_int(), 34);
    EXPECT_EQ(root.find("checkpoint")->find("root")->as_string(), to_hex(report.head->head.root));
    EXPECT_THAT(std::string(root.find("preface")->as_string()), HasSubstr("not legal advice"));
    std::string body;
    root.find("controls")->each([&](json::Value one) {
        if (one.find("id")->as_string() != "SEC-5") return;
        EXPECT_EQ(one.find("query")->find("path")->as_string(), "/api/compliance/query");
        json::append(body, *one.find("query")->find("body"));
    });
    EXPECT_EQ(
        body,
        R"({"tenant":"north","service":"credit","from":"2026-03-01T11:00:00.000Z","to":"2026-03-02T12:00:00.000Z","kind":"decision"})");
    std::int64_t counted = 0;
    root.find("summary")->each_member([&](std::string_view, json::Value count) { counted += count.as_int(); });
    EXPECT_EQ(counted, static_cast<std::int64_t>(report.controls.size()));
}

// The signed note in the report is what a verifier takes.
TEST_F(Reports, TheCheckpointOfAReportIsSigned) {
    add_good();
    const Report report = make("ai-act");
    const auto opened = audit::proof::open_checkpoint(report.head->note, {key_.verifier()});
    ASSERT_TRUE(opened) << opened.error().message;
    EXPECT_EQ(opened->head, report.head->head);
}

TEST_F(Reports, TheHtmlTakesNoNameForMarkup) {
    add_good();
    audit::Decision bad = decision();
    bad.actor.clear();
    add(bad);
    const std::string hostile = R"(<script>alert("1")</script>'&<img src=x onerror=y>)";
    ReportQuery query = whole_day();
    query.service = hostile;
    query.model = hostile;
    query.subject = hostile;
    query.tenant = hostile;
    for (const std::string_view name : report_names()) {
        Report report = make(name, query);
        report.event_id = hostile;
        report.log_id = hostile;
        report.notes.push_back(hostile + '\x01' + '\xff');
        report.head->note = hostile;
        report.controls[0].rows.push_back({hostile, 1, 0, hostile});
        report.controls[0].reason = hostile;
        const std::string html = to_html(report);
        EXPECT_THAT(html, Not(HasSubstr("<script")));
        EXPECT_THAT(html, Not(HasSubstr("<img")));
        EXPECT_THAT(html, Not(HasSubstr("alert(\"")));
        EXPECT_THAT(html, HasSubstr("&lt;script&gt;alert(&quot;1&quot;)&lt;/script&gt;&#39;&amp;"));
        EXPECT_EQ(html.find('\x01'), std::string::npos);
        EXPECT_EQ(html.find('\xff'), std::string::npos);
    }
}

TEST_F(Reports, TheHtmlIsAWholePageThatPrints) {
    add_good();
    const std::string html = to_html(make("gdpr"));
    EXPECT_TRUE(html.starts_with("<!doctype html>"));
    EXPECT_THAT(html, HasSubstr("<html lang=\"en\">"));
    EXPECT_THAT(html, HasSubstr("@page{size:A4"));
    EXPECT_THAT(html, HasSubstr("prefers-color-scheme:dark"));
    for (const std::string_view tag : {"main", "section", "table", "dl", "tbody", "html", "body"}) {
        const auto count = [&](const std::string& what) {
            std::size_t found = 0;
            for (std::size_t at = html.find(what); at != std::string::npos; at = html.find(what, at + 1)) ++found;
            return found;
        };
        const std::string name(tag);
        EXPECT_EQ(count("<" + name + ">") + count("<" + name + " "), count("</" + name + ">")) << name;
    }
}

class LargeReports : public ReportTest {
  protected:
    LargeReports() : ReportTest(16 * 1024 * 1024) {}
};

/// On the heap now.
std::int64_t heap_bytes() {
#if defined(TIDEGATE_SANITIZED)
    return static_cast<std::int64_t>(__sanitizer_get_current_allocated_bytes());
#else
    const auto info = ::mallinfo2();
    return static_cast<std::int64_t>(info.uordblks + info.hblkhd);
#endif
}

// 200,000 records that all fail: counted, not kept.
TEST_F(LargeReports, APassOver200000RecordsHoldsNoneOfThem) {
    constexpr std::uint64_t kRecords = 200'000;
    for (std::uint64_t made = 0; made < kRecords;) {
        std::vector<audit::Decision> batch;
        for (int i = 0; i < 500; ++i, ++made) {
            audit::Decision one = decision();
            one.actor.clear();
            one.output = R"({"n":)" + std::to_string(made) + "}";
            batch.push_back(std::move(one));
        }
        log_->append_batch(std::move(batch), [](const Result<void>& done) { EXPECT_TRUE(done); });
        log_->flush();
        clock_.advance(std::chrono::milliseconds(1));
    }
    log_->segments().settle();
    const Report first = make("sec");  // Fills pools and caches once.
    const std::int64_t before = heap_bytes();
    std::int64_t most = 0;
    int asked = 0;
    cancelled_ = [&] {
        most = std::max(most, heap_bytes() - before);
        return ++asked == 0;
    };
    const Report report = make("sec");
    EXPECT_EQ(asked, (kRecords + 4095) / 4096);
    EXPECT_EQ(report.read, kRecords);
    EXPECT_EQ(control(report.controls, "SEC-5").failing, kRecords);
    EXPECT_THAT(control(report.controls, "SEC-5").rows, SizeIs(20));
    // Of 60 MB of records: the window that the log is read through, and rows.
    EXPECT_LT(most, 12 * 1024 * 1024);
    RecordProperty("heap_bytes_most", std::to_string(most));
    EXPECT_EQ(to_json(report), to_json(first));
}

}  // namespace
}  // namespace tidegate::compliance
