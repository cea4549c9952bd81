// An export gives every record of the filter, in pieces, in a form that spreadsheets and parsers take.
#include "base/strings.h"
#include "services/compliance/query_fixture.h"

namespace tidegate::compliance {
namespace {

using audit::decision_at;
using audit::naive;
using ::testing::HasSubstr;

using ExportTest = QueryFixture;

std::vector<std::string> lines_of(const std::string& body) {
    std::vector<std::string> lines;
    for (const std::string_view line : split(body, '\n')) lines.emplace_back(line);
    if (!lines.empty() && lines.back().empty()) lines.pop_back();
    return lines;
}

TEST_F(ExportTest, GivesATenantItsOwnRecordsInTheOrderOfTheLogOrAgainstIt) {
    log_.fill(3000);
    const auto expected = naive({.tenant = "north"}, 3000);
    for (const bool newest : {false, true}) {
        const auto lines = lines_of(exported(north_, newest ? R"({"order":"newest"})" : "{}"));
        ASSERT_EQ(lines.size(), expected.size());
        for (std::size_t i = 0; i < lines.size(); ++i) {
            const std::uint64_t n = expected[newest ? expected.size() - 1 - i : i];
            EXPECT_EQ(lines[i], audit::to_json(decision_at(n)));
        }
    }
    const std::string whole = exported(auditor_, R"({"format":"json","service":"flood"})");
    const auto document = json::parse(whole);
    ASSERT_TRUE(document.has_value());
    EXPECT_EQ(document->root().size(), naive({.service = "flood"}, 3000).size());
    EXPECT_EQ(exported(auditor_, R"({"format":"json","service":"none"})"), "[]\n");
    EXPECT_EQ(exported(auditor_, R"({"format":"ndjson","service":"none"})"), "");
}

TEST_F(ExportTest, ACellIsNeverAFormulaAndQuotesSurvive) {
    audit::Decision decision = decision_at(1);
    decision.tenant = "north";
    decision.kind = audit::RecordKind::kDecision;
    decision.service = "=cmd|' /C calc'!A0";
    decision.model = R"(a "model", with a comma)";
    decision.model_version = "+1";
    std::vector<audit::Decision> one;
    one.push_back(decision);
    log_.append(std::move(one));
    const std::string csv = exported(north_, R"({"format":"csv"})");
    EXPECT_THAT(csv, HasSubstr(R"(,"'=cmd|' /C calc'!A0",)"));
    EXPECT_THAT(csv, HasSubstr(R"(,"a ""model"", with a comma","'+1",)"));
    EXPECT_TRUE(csv.starts_with("id,time,request_id,tenant,actor,"));
    EXPECT_TRUE(csv.ends_with("\r\n"));
}

TEST_F(ExportTest, WhatNobodyStatedIsAnEmptyCellAndNull) {
    audit::Decision decision = decision_at(1);
    decision.tenant = "north";
    decision.kind = audit::RecordKind::kDecision;
    decision.input_size = 0;
    decision.latency_us = decision.tokens = 0;
    decision.spend_points = {};
    std::vector<audit::Decision> two{decision, decision};
    two[1].id = decision_at(2).id;
    two[1].input_size_stated = two[1].latency_stated = two[1].tokens_stated = false;
    log_.append(std::move(two));
    const auto rows = lines_of(exported(north_, R"({"format":"csv"})"));
    ASSERT_EQ(rows.size(), 3U);
    const std::string hash = to_hex(decision.input_hash);
    EXPECT_TRUE(rows[1].ends_with(hash + ",0,0,0,0\r")) << rows[1];
    EXPECT_TRUE(rows[2].ends_with(hash + ",,,,0\r")) << rows[2];
    const auto lines = lines_of(exported(north_, "{}"));
    EXPECT_THAT(lines.at(0), HasSubstr(R"("latency_ms":0,)"));
    EXPECT_THAT(lines.at(1), HasSubstr(R"("latency_ms":null,)"));
}

TEST_F(ExportTest, ALongOneComesInPieces) {
    constexpr std::uint64_t kMany = 300'000;
    log_.fill(kMany);
    const auto asked = ask(http::Method::kPost, "/api/compliance/export", auditor_, R"({"format":"csv"})");
    ASSERT_NE(asked->stream(), nullptr) << asked->answer().body;
    for (int i = 0; i < 20'000 && !asked->stream()->finished(); ++i) {
        std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    ASSERT_TRUE(asked->stream()->finished());
    const std::string body = asked->stream()->body();
    EXPECT_EQ(static_cast<std::uint64_t>(std::ranges::count(body, '\n')), kMany - kMany / 50 + 1);
    // Its buffer holds a piece and the row that made it full: what is written never grows with the export.
    EXPECT_LT(asked->stream()->longest_write(), 40U * 1024);
}

TEST_F(ExportTest, AReaderThatLeavesOrStallsEndsItsOwnExportOnly) {
    log_.fill(5000);
    settings_.exports_max = 1;
    for (int i = 0; i < 3; ++i) EXPECT_FALSE(exported(auditor_, "{}").empty()) << "its place is given back";
}

}  // namespace
}  // namespace tidegate::compliance
