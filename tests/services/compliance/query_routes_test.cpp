// Who may read what of the record, and that every reading is itself on record.
#include "services/compliance/query_fixture.h"

namespace tidegate::compliance {
namespace {

using audit::decision_at;
using audit::naive;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr std::uint64_t kEnd = 2000;

class QueryRoutesTest : public QueryFixture {
  protected:
    void SetUp() override {
        QueryFixture::SetUp();
        log_.fill(kEnd);
    }
    /// Every page of a query, the newest first.
    std::vector<std::string> query_all(const std::string& key, const std::string& members) {
        std::vector<std::string> ids;
        std::string cursor;
        for (int pages = 0; pages < 50; ++pages) {
            const http::Response answer =
                post("query", key,
                     "{\"limit\":400" + members + (cursor.empty() ? "" : ",\"cursor\":\"" + cursor + "\"") + "}");
            EXPECT_EQ(answer.status, 200) << answer.body;
            if (answer.status != 200) break;
            const auto some = ids_of(answer.body);
            ids.insert(ids.end(), some.begin(), some.end());
            const auto document = json::parse(answer.body);
            const auto next = document->root().find("next_cursor");
            if (next->kind() != json::Kind::kString) break;
            cursor = next->as_string();
        }
        return ids;
    }
    static std::vector<std::string> expected(const audit::HistoryFilter& filter) {
        std::vector<std::string> ids;
        for (const std::uint64_t n : naive(filter, kEnd)) ids.push_back(to_string(decision_at(n).id));
        std::ranges::reverse(ids);
        return ids;
    }
};

TEST_F(QueryRoutesTest, ATenantSeesItsOwnAndOneWithoutATenantThoseWithout) {
    EXPECT_EQ(query_all(north_, ""), expected({.tenant = "north"}));
    EXPECT_EQ(query_all(south_, R"(,"tenant":"south","service":"flood")"),
              expected({.tenant = "south", .service = "flood"}));
    EXPECT_EQ(query_all(reader_, ""), expected({.tenant = ""}));
    EXPECT_EQ(query_all(auditor_, ""), expected({}));
    EXPECT_EQ(query_all(auditor_, R"(,"tenant":"north","status":"error")"),
              expected({.tenant = "north", .status = audit::Status::kError}));
}

TEST_F(QueryRoutesTest, NobodyWithoutAKeySeesAnythingOfATenant) {
    EXPECT_EQ(query_all("", ""), expected({.tenant = ""})) << "this listener is not said to be ours alone";
    const std::string stranger = make_key({.name = "s", .tenant = "north", .scopes = {"provenance"}}).text;
    EXPECT_EQ(post("query", stranger, "{}").status, 403);
    EXPECT_EQ(post("query", "tg_nonsense", "{}").status, 401);
}

TEST_F(QueryRoutesTest, AFilterOnAnotherTenantIsRefusedOnEveryRouteThatTakesOne) {
    EXPECT_EQ(post("query", north_, R"({"tenant":"south"})").status, 403);
    EXPECT_EQ(post("query", north_, R"({"tenant":""})").status, 403);
    EXPECT_EQ(post("export", north_, R"({"tenant":"south"})").status, 403);
    EXPECT_EQ(get("stream?tenant=south", north_).status, 403);
    EXPECT_EQ(get("statistics?tenant=south", north_).status, 403);
    EXPECT_EQ(get("statistics/stream?tenant=south", north_).status, 403);
    EXPECT_EQ(post("query", reader_, R"({"tenant":"south"})").status, 403);
}

TEST_F(QueryRoutesTest, ARequestOrAnInputOfAnotherTenantLooksLikeNone) {
    std::uint64_t n = 300;
    while (decision_at(n).tenant != "south" || decision_at(n).kind != audit::RecordKind::kDecision) ++n;
    const audit::Decision wanted = decision_at(n);
    std::size_t of_north = 0, of_all = 0;
    for (const std::uint64_t other : naive({}, kEnd)) {
        const audit::Decision d = decision_at(other);
        if (d.request_id != wanted.request_id) continue;
        ++of_all;
        if (d.tenant == "north") ++of_north;
    }
    const auto south = get("request/" + wanted.request_id, south_);
    ASSERT_EQ(south.status, 200) << south.body;
    EXPECT_THAT(ids_of(south.body), ::testing::Contains(to_string(wanted.id)));
    const auto north = get("request/" + wanted.request_id, north_);
    EXPECT_EQ(north.status, of_north == 0 ? 404 : 200);
    EXPECT_THAT(north.body, Not(HasSubstr(to_string(wanted.id))));
    EXPECT_EQ(ids_of(get("request/" + wanted.request_id, auditor_).body).size(), of_all);
    EXPECT_EQ(get("request/never-seen", auditor_).status, 404);

    const std::string hash = to_hex(wanted.input_hash);
    for (const auto& [key, filter] : std::vector<std::pair<std::string, audit::HistoryFilter>>{
             {north_, {.tenant = "north"}}, {south_, {.tenant = "south"}}, {auditor_, {}}}) {
        std::vector<std::string> ids;
        for (const std::uint64_t other : naive(filter, kEnd)) {
            if (decision_at(other).input_hash == wanted.input_hash) ids.push_back(to_string(decision_at(other).id));
        }
        std::ranges::reverse(ids);
        const auto answer = get("duplicates/" + hash, key);
        ASSERT_EQ(answer.status, 200) << answer.body;
        EXPECT_EQ(ids_of(answer.body), ids);
    }
    EXPECT_EQ(get("duplicates/" + std::string(64, 'x'), north_).status, 422);
    EXPECT_EQ(ids_of(get("duplicates/" + to_hex(sha256("new")), north_).body).size(), 0U);
}

TEST_F(QueryRoutesTest, WhatIsAskedWronglyIsRefusedAndNotGuessed) {
    for (const std::string& body :
         {std::string(R"({"tenat":"north"})"), std::string(R"({"limit":0})"), std::string(R"({"limit":501})"),
          std::string(R"({"status":"fine"})"), std::string(R"({"from":"yesterday"})"),
          std::string(R"({"from":"2026-03-02T00:00:00Z","to":"2026-03-01T00:00:00Z"})"),
          std::string(R"({"offset":10001})")}) {
        EXPECT_EQ(post("query", auditor_, body).status, 422) << body;
    }
    EXPECT_EQ(post("query", auditor_, R"({"cursor":"12-00000000"})").status, 400);
    EXPECT_EQ(get("stream?sevice=flood", auditor_).status, 422);
    EXPECT_EQ(get("statistics?sevice=flood", auditor_).status, 422);
}

TEST_F(QueryRoutesTest, ThePageSaysHowManyThereAre) {
    const auto answer = post("query", north_, R"({"limit":3,"service":"provenance"})");
    ASSERT_EQ(answer.status, 200);
    const auto document = json::parse(answer.body);
    EXPECT_EQ(document->root().find("count")->as_int(), 3);
    EXPECT_EQ(static_cast<std::size_t>(document->root().find("total")->as_int()),
              naive({.tenant = "north", .service = "provenance"}, kEnd).size());
}

TEST_F(QueryRoutesTest, EveryReadingIsOnRecordBeforeItIsAnswered) {
    const auto find = [this](std::string_view operation) -> std::optional<audit::Decision> {
        for (const audit::Decision& event : accesses()) {
            if (event.operation == operation) return event;
        }
        return std::nullopt;
    };
    ASSERT_EQ(post("query", north_, R"({"service":"flood"})").status, 200);
    const auto query = find("access/query");
    ASSERT_TRUE(query.has_value());
    EXPECT_EQ(query->tenant, "north");
    EXPECT_TRUE(query->actor.starts_with("key:")) << query->actor;
    EXPECT_EQ(query->output, R"({"tenant":"north","service":"flood","kind":"decision"})");
    EXPECT_EQ(query->kind, audit::RecordKind::kEvent);

    ASSERT_FALSE(exported(south_, R"({"format":"csv"})").empty());
    ASSERT_EQ(find("access/export").value().tenant, "south");
    ASSERT_EQ(get("duplicates/" + to_hex(sha256("1")), north_).status, 200);
    ASSERT_EQ(find("access/duplicates").value().tenant, "north");
    ASSERT_EQ(get("request/" + decision_at(0).request_id, auditor_).status, 200);
    ASSERT_THAT(find("access/request").value().output, HasSubstr(decision_at(0).request_id));
    ASSERT_EQ(get("decision/" + to_string(decision_at(0).id), auditor_).status, 200);
    ASSERT_THAT(find("access/decision").value().output, HasSubstr(to_string(decision_at(0).id)));
    const auto stream = listen("stream", north_);
    ASSERT_NE(stream, nullptr);
    ASSERT_EQ(find("access/stream").value().tenant, "north");
    const auto statistics = listen("statistics/stream", south_);
    ASSERT_NE(statistics, nullptr);
    ASSERT_EQ(find("access/statistics_stream").value().tenant, "south");

    // The event is there for who may see all, not for another tenant.
    EXPECT_THAT(post("query", north_, R"({"kind":"event","limit":500})").body, Not(HasSubstr("access/export")));
    EXPECT_THAT(post("query", auditor_, R"({"kind":"event","limit":500})").body, HasSubstr("access/export"));
}

TEST_F(QueryRoutesTest, ADecisionIsFoundByItsIdByItsTenantAndByWhoSeesAll) {
    const auto all = naive({.tenant = "north"}, kEnd);
    ASSERT_FALSE(all.empty());
    const audit::Decision& theirs = decision_at(all.front());
    const std::string target = "decision/" + to_string(theirs.id);
    const auto answer = get(target, north_);
    ASSERT_EQ(answer.status, 200) << answer.body;
    EXPECT_EQ(answer.body, audit::to_json(theirs));
    EXPECT_EQ(get(target, auditor_).body, answer.body);
    // Another tenant's looks exactly like one that does not exist.
    EXPECT_EQ(get(target, south_).status, 404);
    EXPECT_EQ(get("decision/01a1fe33-b900-7803-8c5c-c999424b3740", north_).status, 404);
    EXPECT_EQ(get("decision/nonsense", north_).status, 422);
}

TEST_F(QueryRoutesTest, WhatCannotBeRecordedIsNotGiven) {
    log_.log->close();
    for (const http::Response& answer :
         {post("query", north_, "{}"), post("export", north_, "{}"), get("stream", north_),
          get("statistics/stream", north_), get("duplicates/" + to_hex(sha256("1")), north_)}) {
        EXPECT_EQ(answer.status, 503);
        EXPECT_THAT(answer.body, Not(HasSubstr("request-")));
    }
}

TEST_F(QueryRoutesTest, StatisticsAreOfWhatTheCallerMaySee) {
    const auto total = [this](const std::string& query, const std::string& key) {
        const auto answer = get("statistics" + query, key);
        EXPECT_EQ(answer.status, 200) << answer.body;
        return static_cast<std::size_t>(json::parse(answer.body)->root().find("total_requests")->as_int());
    };
    EXPECT_EQ(total("", north_), naive({.tenant = "north"}, kEnd).size());
    EXPECT_EQ(total("", reader_), naive({.tenant = ""}, kEnd).size());
    EXPECT_EQ(total("", auditor_), naive({}, kEnd).size());
    EXPECT_EQ(total("?tenant=south&service=flood&model=other", auditor_),
              naive({.tenant = "south", .service = "flood", .model = "other"}, kEnd).size());
    EXPECT_THAT(get("statistics", north_).body, Not(HasSubstr("south")));
}

class LoopbackTest : public QueryRoutesTest {
  protected:
    LoopbackTest() { loopback_without_keys_ = true; }
};

TEST_F(LoopbackTest, OnOnesOwnMachineWithoutKeysAllIsSeen) {
    EXPECT_EQ(query_all("", ""), expected({}));
    EXPECT_EQ(query_all(north_, ""), expected({.tenant = "north"})) << "a key that is sent is not ignored";
}

}  // namespace
}  // namespace tidegate::compliance
