// Where posts may go, how they are signed, and that none is lost while nobody takes it.
#include "jobs/webhooks.h"

#include <algorithm>

#include "base/hash.h"
#include "jobs/jobs_fixture.h"
#include "support/upstream.h"

namespace tidegate::jobs {
namespace {

using namespace std::chrono_literals;

bool is_private_text(const std::string& address) {
    const auto parsed = http::numeric_address(address);
    EXPECT_TRUE(parsed) << address;
    return is_private(*parsed);
}

TEST(WebhookTargets, NoAddressOfTheInsideIsPublic) {
    for (const char* address : {"127.0.0.1",
                                "127.255.0.1",
                                "10.0.0.1",
                                "10.255.255.255",
                                "172.16.0.1",
                                "172.31.255.255",
                                "192.168.1.1",
                                "169.254.169.254",
                                "100.64.0.1",
                                "0.0.0.0",
                                "224.0.0.1",
                                "255.255.255.255",
                                "198.18.0.1",
                                "::1",
                                "::",
                                "fe80::1",
                                "fc00::1",
                                "fd00:ec2::254",
                                "ff02::1",
                                "::ffff:127.0.0.1",
                                "::ffff:10.0.0.1",
                                "64:ff9b::7f00:1",
                                "64:ff9b::a9fe:a9fe",
                                "2002:7f00:1::",
                                "fec0::1"}) {
        EXPECT_TRUE(is_private_text(address)) << address;
    }
    for (const char* address : {"8.8.8.8", "172.15.255.255", "172.32.0.1", "192.167.255.255", "100.63.255.255",
                                "100.128.0.0", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808"}) {
        EXPECT_FALSE(is_private_text(address)) << address;
    }
}

TEST(WebhookTargets, AUrlIsReadStrictly) {
    const auto good = parse_webhook_url("https://hooks.example.org:8443/drift?team=a");
    ASSERT_TRUE(good) << good.error().message;
    EXPECT_EQ(good->origin.host, "hooks.example.org");
    EXPECT_EQ(good->origin.port, 8443);
    EXPECT_TRUE(good->origin.tls);
    EXPECT_EQ(good->host, "hooks.example.org:8443");
    EXPECT_EQ(good->target, "/drift?team=a");
    EXPECT_EQ(parse_webhook_url("http://a")->target, "/");
    for (const char* bad : {"", "a", "ftp://a/", "https://user@a/", "https://a/x y", "https://a/#part", "https:///x"}) {
        EXPECT_FALSE(parse_webhook_url(bad)) << bad;
    }
}

TEST(WebhookSignature, IsTheHmacOfTimeAndBody) {
    // printf '1700000000.{"a":1}' | openssl dgst -sha256 -hmac secret
    EXPECT_EQ(webhook_signature("secret", 1'700'000'000'999, R"({"a":1})"),
              "t=1700000000,v1=49f24e537407743fa4a0242bb63b94b9a47ee99cbbe071ccd8a22550ae411686");
    EXPECT_NE(webhook_signature("secret", 1'700'000'000'999, R"({"a":1})"),
              webhook_signature("secret", 1'700'000'001'000, R"({"a":1})"));
}

class WebhooksTest : public JobsFixture {
  public:
    WebhookOptions options(const std::string& path, bool allow_private = true) const {
        WebhookOptions made;
        made.name = "team";
        made.url = receiver.url() + path;
        made.secret = settings::Secret("quiet");
        made.allow_private = allow_private;
        made.attempts_max = 3;
        made.timeout = 60s;
        return made;
    }
    Result<void> start(WebhookOptions webhook) {
        settings.webhooks = {std::move(webhook)};
        jobs = open();
        TG_TRY(webhooks, Webhooks::create(settings, *jobs, real));
        jobs->start();
        return {};
    }
    void TearDown() override {
        if (jobs) jobs->stop();
    }
    SystemClock real;
    testing::Upstream receiver;
    std::unique_ptr<Jobs> jobs;
    std::unique_ptr<Webhooks> webhooks;
};

TEST_F(WebhooksTest, APostIsSignedAndNamesItsEventAndItself) {
    receiver.on("/hook", 200, "");
    ASSERT_TRUE(start(options("/hook?team=a")));
    const auto id = webhooks->send({.webhook = "team", .event = "alert.firing", .body = R"({"a":1})"});
    ASSERT_TRUE(id) << id.error().message;
    const Job job = wait_for(*jobs, *id, JobState::kSucceeded);
    const auto request = receiver.last("/hook");
    EXPECT_EQ(request.method, "POST");
    EXPECT_EQ(request.target, "/hook?team=a");
    EXPECT_EQ(request.body, R"({"a":1})");
    EXPECT_EQ(request.header("X-Tidegate-Event"), "alert.firing");
    EXPECT_EQ(request.header("X-Tidegate-Delivery"), *id);
    const std::string signature = request.header("X-Tidegate-Signature");
    const std::string seconds = signature.substr(2, signature.find(',') - 2);
    EXPECT_EQ(signature, webhook_signature("quiet", std::stoll(seconds) * 1000, R"({"a":1})"));
    EXPECT_LT(std::abs(std::stoll(seconds) - real.unix_ms() / 1000), 300);
    EXPECT_EQ(job.result, R"({"status":200,"attempt":1})");
    EXPECT_EQ((job.title + job.error + job.result).find("127.0.0.1"), std::string::npos) << "no URL in what is shown";
}

TEST_F(WebhooksTest, ItIsTriedAgainUntilItIsTaken) {
    receiver.on("/hook", [](testing::UpstreamCall& call) { call.answer(call.number() < 3 ? 500 : 204); });
    ASSERT_TRUE(start(options("/hook")));
    const auto id = webhooks->send({.webhook = "team", .event = "e", .body = "{}"});
    for (unsigned i = 1; i < 3; ++i) {
        ASSERT_TRUE(receiver.wait_asked("/hook", i));
        for (int k = 0; k < 12'000 && jobs->find(*id)->state == JobState::kRunning; ++k)
            std::this_thread::sleep_for(5ms);
        EXPECT_EQ(jobs->find(*id)->error, "it answered 500");
        clock.advance(5min);
        jobs->wake();
    }
    EXPECT_EQ(wait_for(*jobs, *id, JobState::kSucceeded).attempts, 3U);
}

TEST_F(WebhooksTest, ARedirectIsNotFollowedAndWhatIsGoneIsNotAskedAgain) {
    receiver.on("/moved", 302, "", "Location: " + receiver.url() + "/secret\r\n");
    receiver.on("/secret", 200, "");
    receiver.on("/gone", 410, "");
    ASSERT_TRUE(start(options("/moved")));
    const auto id = webhooks->send({.webhook = "team", .event = "e", .body = "{}"});
    ASSERT_TRUE(receiver.wait_asked("/moved", 1));
    for (int k = 0; k < 12'000 && jobs->find(*id)->state == JobState::kRunning; ++k) std::this_thread::sleep_for(5ms);
    EXPECT_EQ(jobs->find(*id)->error, "it answered 302");
    EXPECT_EQ(receiver.asked("/secret"), 0U);
    jobs->stop();
    jobs.reset();
    ASSERT_TRUE(start(options("/gone")));
    const auto gone = webhooks->send({.webhook = "team", .event = "e", .body = "{}"});
    EXPECT_EQ(wait_for(*jobs, *gone, JobState::kFailed).error, "it answered 410");
}

TEST_F(WebhooksTest, APrivateAddressIsRefusedAtTheStartAndBehindANameAtEachTry) {
    const auto refused = start(options("/hook", false));
    ASSERT_FALSE(refused);
    EXPECT_NE(refused.error().message.find("webhooks.team"), std::string::npos) << refused.error().message;
    jobs.reset();
    WebhookOptions named = options("/hook", false);
    named.url = "http://hooks.example.org:" + std::to_string(receiver.port()) + "/hook";
    receiver.on("/hook", 200, "");
    settings.webhooks = {named};
    jobs = open();
    webhooks = *Webhooks::create(settings, *jobs, real);
    webhooks->set_look_up([](const std::string&) -> Result<http::Addresses> {
        return http::Addresses{*http::numeric_address("127.0.0.1"), *http::numeric_address("169.254.169.254")};
    });
    jobs->start();
    const auto id = webhooks->send({.webhook = "team", .event = "e", .body = "{}"});
    for (int k = 0; k < 12'000 && jobs->find(*id)->error.empty(); ++k) std::this_thread::sleep_for(5ms);
    EXPECT_EQ(jobs->find(*id)->error, "its name leads to private addresses only");
    EXPECT_EQ(receiver.asked("/hook"), 0U);
}

TEST_F(WebhooksTest, WithoutASecretTheServerDoesNotStart) {
    WebhookOptions open_one = options("/hook");
    open_one.secret = settings::Secret();
    EXPECT_EQ(start(open_one).error().message, "webhooks.team: needs a secret: every post is signed");
}

TEST_F(WebhooksTest, AnUnknownWebhookIsNotTaken) {
    ASSERT_TRUE(start(options("/hook")));
    EXPECT_EQ(webhooks->send({.webhook = "other", .event = "e", .body = "{}"}).error().code, ErrorCode::kNotFound);
}

}  // namespace
}  // namespace tidegate::jobs
