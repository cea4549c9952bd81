// Settings of identity that are sound one by one and not together stop the start, with words that name them.
#include "pipeline/identity/settings.h"

#include "pipeline_identity/fixture.h"

namespace tidegate::pipeline {
namespace {

class IdentitySettingsTest : public ::testing::Test {
  protected:
    void SetUp() override { testing::load(settings); }
    std::string reason() const {
        const auto checked = check(settings);
        return checked ? "" : checked.error().message;
    }
    IdentitySettings settings;
};

TEST_F(IdentitySettingsTest, TheDefaultsAreSound) {
    EXPECT_EQ(reason(), "");
    EXPECT_FALSE(settings.jwt.is_on());
    EXPECT_TRUE(keys_checked(settings));
}

TEST_F(IdentitySettingsTest, AShortSecretIsNone) {
    settings.jwt.secret = settings::Secret(std::string(31, 's'));
    EXPECT_THAT(reason(), ::testing::HasSubstr("jwt.secret"));
    settings.jwt.secret = settings::Secret(std::string(32, 's'));
    EXPECT_EQ(reason(), "");
    settings.address_salt = settings::Secret("short");
    EXPECT_THAT(reason(), ::testing::HasSubstr("identity.address_salt"));
}

TEST_F(IdentitySettingsTest, KeysFromAUrlNeedIssuerAndAudience) {
    settings.jwt.jwks_url = "https://id.example/keys";
    EXPECT_THAT(reason(), ::testing::HasSubstr("jwt.issuer"));
    settings.jwt.issuer = "https://id.example";
    EXPECT_THAT(reason(), ::testing::HasSubstr("jwt.audience"));
    settings.jwt.audience = "tidegate";
    EXPECT_EQ(reason(), "");
    settings.jwt.jwks_file = "keys.json";
    EXPECT_THAT(reason(), ::testing::HasSubstr("not both"));
    settings.jwt.jwks_file.clear();
    settings.jwt.jwks_url = "ftp://id.example/keys";
    EXPECT_THAT(reason(), ::testing::HasSubstr("jwt.jwks_url"));
}

TEST_F(IdentitySettingsTest, NobodyIsAnAdministratorByDefault) {
    settings.jwt.default_scopes = {"admin"};
    EXPECT_THAT(reason(), ::testing::HasSubstr("jwt.default_scopes"));
    settings.jwt.default_scopes = {"two words"};
    EXPECT_THAT(reason(), ::testing::HasSubstr("jwt.default_scopes"));
}

TEST_F(IdentitySettingsTest, TheWordSaysWhoNeedsAKey) {
    const auto required = [this](const char* word, bool loopback_only) {
        settings.required = word;
        return keys_required(settings, loopback_only);
    };
    EXPECT_TRUE(required("auto", false));
    EXPECT_FALSE(required("auto", true));
    for (const bool loopback_only : {false, true}) {
        EXPECT_TRUE(required("always", loopback_only));
        EXPECT_FALSE(required("optional", loopback_only));
        EXPECT_FALSE(required("off", loopback_only));
    }
}

TEST_F(IdentitySettingsTest, AJwksFileThatCannotBeReadStopsTheStart) {
    const store::TemporaryFolder folder;
    const SystemClock clock;
    SystemRandom random;
    testing::MemoryDisk disk;
    settings.jwt.jwks_file = "keys.json";
    const auto opened = Identity::open(settings, folder.file("tidegate.db"), true, clock, random, disk);
    ASSERT_FALSE(opened);
    EXPECT_THAT(opened.error().message, ::testing::HasSubstr("jwt.jwks_file"));
}

}  // namespace
}  // namespace tidegate::pipeline
