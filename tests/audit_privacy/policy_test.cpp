// What a record is like after the policy: redacted, committed, its content on the way.
#include "audit/privacy/policy.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>

#include "base/strings.h"

namespace tidegate::audit::privacy {
namespace {

namespace fs = std::filesystem;

class PolicyTest : public ::testing::Test {
  protected:
    void SetUp() override {
        folder_ = fs::temp_directory_path() / ("tidegate_policy_" + std::to_string(::getpid()) + "_" +
                                               ::testing::UnitTest::GetInstance()->current_test_info()->name());
        fs::remove_all(folder_);
        fs::create_directories(folder_);
        keys_ =
            KeyStore::open({(folder_ / "privacy.db").string(), (folder_ / "master.key").string(), {}}, clock_, random_)
                .value();
        vault_ = Vault::open(*keys_, {}, clock_, random_).value();
        settings::Table table;
        declare(table, settings_);
        settings_ = {"keyed",  {"email", "phone", "card", "iban", "national_id", "ip"},
                     "label",  "none",
                     {},       "subject",
                     "refuse", 1 << 20U,
                     ""};
    }
    void TearDown() override {
        vault_.reset();
        keys_.reset();
        fs::remove_all(folder_);
    }
    std::unique_ptr<PrivacyPolicy> policy() {
        return PrivacyPolicy::make(settings_, keys_.get(), vault_.get()).value();
    }
    Decision decision(std::string_view input) {
        Decision made;
        made.id = make_uuid7(clock_, random_);
        made.request_id = "r1";
        made.tenant = "north";
        made.actor = "key:anna";
        made.service = "provenance";
        made.operation = "detect/text";
        made.input_hash = sha256(input);
        made.input_size = input.size();
        made.output = R"({"reply":"write to anna@example.org","score":0.5})";
        made.tags = {{"caller", "10.1.2.3"}, {"target", "http://10.1.2.3:80"}};
        return made;
    }

    SystemClock clock_;
    SystemRandom random_;
    fs::path folder_;
    std::unique_ptr<KeyStore> keys_;
    std::unique_ptr<Vault> vault_;
    PrivacySettings settings_;
};

TEST_F(PolicyTest, ARecordIsRedactedBeforeAnythingElseSeesIt) {
    Decision made = decision("hello");
    made.status = Status::kError;
    made.error = "internal: no answer for anna@example.org";
    ASSERT_TRUE(policy()->apply(made).has_value());
    EXPECT_EQ(made.output, R"({"reply":"write to [email]","score":0.5})");
    EXPECT_EQ(made.error, "internal: no answer for [email]");
    EXPECT_EQ(made.tags[0].value, "[ip]");
    EXPECT_EQ(made.tags[1].value, "http://10.1.2.3:80") << "our own tag: an upstream's address";
}

TEST_F(PolicyTest, TheInputHashIsACommitmentThatOnlyTheTenantsKeyGives) {
    auto rules = policy();
    Decision one = decision("yes");
    Decision two = decision("yes");
    Decision south = decision("yes");
    south.tenant = "south";
    for (Decision* made : {&one, &two, &south}) ASSERT_TRUE(rules->apply(*made).has_value());
    EXPECT_EQ(one.input_hash, two.input_hash) << "duplicates can be found";
    EXPECT_NE(one.input_hash, sha256("yes")) << "and not guessed";
    EXPECT_NE(one.input_hash, south.input_hash);
    const auto stored = rules->stored_hashes("north", sha256("yes"));
    ASSERT_TRUE(stored.has_value());
    EXPECT_EQ(stored->front(), one.input_hash) << "from the plain hash that a caller has";
    settings_.input_hash = "sha256";
    Decision plain = decision("yes");
    ASSERT_TRUE(policy()->apply(plain).has_value());
    EXPECT_EQ(plain.input_hash, sha256("yes"));
}

TEST_F(PolicyTest, ContentIsKeptAsItWasForTheServicesNamed) {
    settings_.keep_content = "both";
    settings_.keep_services = {"provenance"};
    auto rules = policy();
    EXPECT_TRUE(rules->keeps_input("provenance"));
    EXPECT_FALSE(rules->keeps_input("proxy"));
    Decision made = decision("hello");
    const std::string whole = made.output;
    ASSERT_TRUE(rules->apply(made, "hello").has_value());
    const auto kept = vault_->read(made.id, "north");
    ASSERT_TRUE(kept.has_value());
    EXPECT_EQ(kept->content.input, "hello");
    EXPECT_EQ(kept->content.output, whole);
    Decision other = decision("hello");
    other.service = "proxy";
    ASSERT_TRUE(rules->apply(other, "hello").has_value());
    EXPECT_EQ(vault_->read(other.id, "north")->state, ContentState::kNone);
    ASSERT_TRUE(vault_->erase({"north", "key:anna", 0}, make_uuid7(clock_, random_)).has_value());
    EXPECT_EQ(vault_->read(made.id, "north")->state, ContentState::kErased);
}

TEST_F(PolicyTest, OfAnEventTheTextsAreRedactedAndNothingElseIsTouched) {
    Decision event = decision("hello");
    event.kind = RecordKind::kEvent;
    event.output = R"({"note":"ask anna@example.com","id":7})";
    Decision expected = event;
    expected.output = R"({"note":"ask [email]","id":7})";
    expected.tags.front().value = "[ip]";
    const auto made = policy();
    ASSERT_TRUE(made->apply(event).has_value());
    EXPECT_EQ(event, expected);
    EXPECT_EQ(made->health().records, 0U) << "no decision";
    std::string reason = "case of anna@example.com";
    made->redact_text(reason);
    EXPECT_EQ(reason, "case of [email]");
}

TEST_F(PolicyTest, WhatTheServerItselfWritesIntoEventsIsNobodysNumber) {
    const auto made = policy();
    ManualClock clock(1'795'000'000'000);
    SeededRandom random(4);
    for (int i = 0; i < 20'000; ++i) {
        clock.advance(std::chrono::milliseconds(4'567));
        Decision event = decision("hello");
        event.kind = RecordKind::kEvent;
        const Uuid id = make_uuid7(clock, random);
        event.output = "{\"record\":\"" + to_string(id) + "\",\"subject\":\"" + to_hex(sha256(to_string(id))) +
                       "\",\"from\":\"" + format_rfc3339(clock.unix_ms()) +
                       "\",\"first_leaf\":" + std::to_string(static_cast<std::uint64_t>(i) * 1'000'003'007) + "}";
        const std::string before = event.output;
        ASSERT_TRUE(made->apply(event).has_value());
        ASSERT_EQ(event.output, before);
    }
}

TEST_F(PolicyTest, WithAllOffARecordStaysAsItIs) {
    settings_ = {"sha256", {}, "label", "none", {}, "subject", "refuse", 1 << 20U, ""};
    EXPECT_FALSE(PrivacyPolicy::needs_keys(settings_));
    auto off = PrivacyPolicy::make(settings_, nullptr, nullptr).value();
    Decision made = decision("hello");
    const Decision unchanged = made;
    ASSERT_TRUE(off->apply(made).has_value());
    EXPECT_EQ(made, unchanged);
}

TEST_F(PolicyTest, SettingsThatNeedKeysDoNotStartWithoutThem) {
    EXPECT_FALSE(PrivacyPolicy::make(settings_, nullptr, nullptr).has_value());
    settings_.keep_content = "input";
    EXPECT_FALSE(PrivacyPolicy::make(settings_, keys_.get(), nullptr).has_value());
}

TEST_F(PolicyTest, WhatCannotBeKeptIsRefusedAndCounted) {
    vault_ = nullptr;
    vault_ = Vault::open(*keys_, {.queue_bytes_max = 4}, clock_, random_).value();
    settings_.keep_content = "input";
    auto rules = policy();
    Decision made = decision("hello");
    EXPECT_EQ(rules->apply(made, "hello").error().code, ErrorCode::kUnavailable);
    EXPECT_EQ(rules->health().refused, 1U);
}

}  // namespace
}  // namespace tidegate::audit::privacy
