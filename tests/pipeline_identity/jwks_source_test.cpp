// The issuer's keys: read anew when due, kept when a newer set cannot be had, asked for at most once a minute.
#include "pipeline/identity/jwks_source.h"

#include "pipeline_identity/fixture.h"
#include "pipeline_identity/token_maker.h"

namespace tidegate::pipeline {
namespace {

using namespace std::chrono_literals;
using testing::jwks;
using testing::RsaKey;

class JwksSourceTest : public ::testing::Test {
  protected:
    void SetUp() override {
        testing::load(settings);
        settings.jwt.jwks_url = "https://id.example/keys";
        source = std::make_unique<JwksSource>(settings.jwt, clock, disk, counters);
        source->set_fetch([this](const std::string& url, std::function<void(Result<std::string>)> done) {
            EXPECT_EQ(url, "https://id.example/keys");
            waiting.push_back(std::move(done));
        });
    }
    static std::string document() {
        static const RsaKey key;
        return jwks(key.jwk("k1"));
    }
    void answer(Result<std::string> with) {
        ASSERT_EQ(waiting.size(), 1U);
        const auto done = std::move(waiting.front());
        waiting.clear();
        done(std::move(with));
    }

    ManualClock clock;
    testing::MemoryDisk disk;
    IdentityCounters counters;
    IdentitySettings settings;
    std::unique_ptr<JwksSource> source;
    std::vector<std::function<void(Result<std::string>)>> waiting;
};

TEST_F(JwksSourceTest, ASetIsFetchedAndReadAnewWhenDue) {
    EXPECT_EQ(source->keys(), nullptr);
    source->refresh_when_due();
    answer(document());
    ASSERT_TRUE(source->keys());
    EXPECT_EQ(source->version(), 1U);
    EXPECT_EQ(source->status().keys, 1U);
    EXPECT_EQ(source->status().read, clock.unix_ms());
    source->refresh_when_due();
    EXPECT_TRUE(waiting.empty());
    clock.advance(15min);
    source->refresh_when_due();
    answer(document());
    EXPECT_EQ(source->version(), 2U);
    EXPECT_EQ(counters.jwks_read.value(), 2U);
}

TEST_F(JwksSourceTest, AFailureKeepsTheFormerSetAndSaysSo) {
    source->refresh_when_due();
    answer(document());
    const auto before = source->keys();
    for (const Result<std::string>& reply : {Result<std::string>(fail(ErrorCode::kUnavailable, "no answer")),
                                             Result<std::string>("{}"), Result<std::string>(std::string("<html>"))}) {
        clock.advance(15min);
        source->refresh_when_due();
        answer(reply);
        EXPECT_EQ(source->keys(), before);
        EXPECT_FALSE(source->status().failure.empty());
    }
    EXPECT_EQ(counters.jwks_failures.value(), 3U);
    EXPECT_EQ(source->version(), 1U);
    clock.advance(1min);
    source->refresh_when_due();
    answer(document());
    EXPECT_TRUE(source->status().failure.empty()) << "after a failure it is tried again after a minute";
}

TEST_F(JwksSourceTest, AnUnknownKeyAsksOnceAMinute) {
    source->refresh_when_due();
    answer(document());
    EXPECT_FALSE(source->want_key()) << "the set is fresh";
    clock.advance(1min);
    EXPECT_TRUE(source->want_key());
    EXPECT_TRUE(source->want_key()) << "on its way";
    EXPECT_EQ(waiting.size(), 1U);
    answer(document());
    EXPECT_FALSE(source->want_key());
}

TEST_F(JwksSourceTest, WithoutAnySetItIsAskedForAgainSoon) {
    EXPECT_TRUE(source->want_key());
    answer(fail(ErrorCode::kUnavailable, "no answer"));
    EXPECT_FALSE(source->want_key());
    clock.advance(5s);
    source->refresh_when_due();
    EXPECT_EQ(waiting.size(), 1U);
}

TEST_F(JwksSourceTest, AFetchThatNeverEndsIsGivenUp) {
    source->refresh_when_due();
    clock.advance(29s);
    EXPECT_TRUE(source->want_key());
    EXPECT_EQ(waiting.size(), 1U);
    clock.advance(1s);
    EXPECT_TRUE(source->want_key());
    EXPECT_EQ(waiting.size(), 2U);
}

TEST_F(JwksSourceTest, AnAnswerAfterTheEndTouchesNothing) {
    source->refresh_when_due();
    source.reset();
    answer(document());
}

TEST_F(JwksSourceTest, WithoutAWayToFetchNothingIsOnItsWay) {
    source->set_fetch(nullptr);
    EXPECT_FALSE(source->want_key());
    source->refresh_when_due();
    EXPECT_EQ(source->keys(), nullptr);
}

TEST_F(JwksSourceTest, AFileIsReadAndReadAnew) {
    settings.jwt.jwks_url.clear();
    settings.jwt.jwks_file = "keys.json";
    EXPECT_FALSE(source->refresh());
    disk.files["keys.json"] = document();
    ASSERT_TRUE(source->refresh());
    EXPECT_TRUE(source->keys()->has("k1"));
    EXPECT_FALSE(source->want_key()) << "a loop reads no file";
    disk.files["keys.json"] = "{";
    clock.advance(15min);
    source->refresh_when_due();
    EXPECT_TRUE(source->keys()->has("k1"));
    EXPECT_FALSE(source->status().failure.empty());
}

}  // namespace
}  // namespace tidegate::pipeline
