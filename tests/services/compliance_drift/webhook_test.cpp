// Where posts may go, how they are signed, and that none is lost while nobody takes it.

#include <gtest/gtest.h>

#include <algorithm>
#include <string>

#include "base/hash.h"
#include "services/compliance/drift/webhook.h"

namespace tidegate::compliance {
namespace {

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

DriftWebhookSettings settings_for(const std::string& url) {
    DriftWebhookSettings settings;
    settings.url = url;
    settings.secret = settings::Secret("secret");
    settings.attempts_max = 3;
    settings.waiting_max = 2;
    settings.timeout = std::chrono::seconds(1);
    return settings;
}

TEST(Webhook, APrivateAddressOrAMissingSecretStopsTheStart) {
    const ManualClock clock;
    DriftWebhookSettings settings = settings_for("http://127.0.0.1:9/");
    EXPECT_FALSE(Webhook::create(settings, clock, [] {}));
    settings.allow_private = true;
    EXPECT_TRUE(Webhook::create(settings, clock, [] {}));
    settings.secret = {};
    EXPECT_FALSE(Webhook::create(settings, clock, [] {}));
}

TEST(Webhook, WaitsWhileThereIsNoLoopAndSaysWhatItCouldNotTake) {
    const ManualClock clock;
    const DriftWebhookSettings settings = settings_for("https://hooks.example.org/");
    const auto webhook = Webhook::create(settings, clock, [] {});
    ASSERT_TRUE(webhook);
    for (std::uint64_t id = 1; id <= 3; ++id) (*webhook)->add({id, "opened", "north", "{}"});
    (*webhook)->pump();
    EXPECT_EQ((*webhook)->health().waiting, 2U);
    EXPECT_EQ((*webhook)->health().dropped, 1U);
    EXPECT_EQ((*webhook)->ended(), std::vector<std::uint64_t>{3});
    EXPECT_TRUE((*webhook)->ended().empty());
    EXPECT_EQ((*webhook)->health().failed_tries, 0U);
}

}  // namespace
}  // namespace tidegate::compliance
