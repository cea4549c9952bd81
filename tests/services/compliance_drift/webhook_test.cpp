// Posts of drift alerts: none is lost while nobody takes it.

#include <gtest/gtest.h>

#include <algorithm>
#include <string>

#include "services/compliance/drift/webhook.h"

namespace tidegate::compliance {
namespace {

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
