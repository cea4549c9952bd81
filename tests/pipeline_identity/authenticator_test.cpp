// From fields and address to a caller: what is let in, what is refused and with which words.
#include "pipeline/identity/authenticator.h"

#include <algorithm>

#include "pipeline/identity/token.h"
#include "pipeline_identity/fixture.h"
#include "pipeline_identity/token_maker.h"

namespace tidegate::pipeline {
namespace {

using namespace std::chrono_literals;
using testing::hs256;
using testing::jwks;
using testing::rs256;
using testing::RsaKey;

constexpr const char* kSecret = "0123456789abcdef0123456789abcdef";

class AuthenticatorTest : public testing::IdentityFixture {
  protected:
    using Fields = std::vector<std::pair<std::string, std::string>>;
    void open(std::vector<settings::NameValue> flags = {}, bool loopback_only = true) {
        IdentityFixture::open(std::move(flags), loopback_only);
        authenticator = std::make_unique<Authenticator>(*identity);
    }
    Authenticator::Outcome ask(const Fields& fields, std::string_view address = "10.0.0.1") {
        http::Headers headers;
        headers.add("Host", "tidegate");
        for (const auto& [name, value] : fields) headers.add(name, value);
        return authenticator->authenticate(headers, address, now());
    }
    Refusal refusal(const Fields& fields) { return ask(fields).refusal; }
    std::string secret_file() {
        const std::string path = folder.file("jwt-secret");
        EXPECT_TRUE(SystemDisk().write_atomic(path, kSecret));
        return "file:" + path;
    }
    std::string claims(const std::string& more = "") const {
        return R"({"sub":"ada","exp":)" + std::to_string(now() / 1000 + 60) + more + "}";
    }
    std::unique_ptr<Authenticator> authenticator;
};

TEST_F(AuthenticatorTest, AKeyIsTakenFromEitherField) {
    open();
    const NewKey key = make_key();
    const std::string actor = "key:" + key.record.public_id;
    for (const Fields& fields :
         {Fields{{"Authorization", "Bearer " + key.text}}, Fields{{"authorization", "bearer " + key.text}},
          Fields{{"X-API-Key", key.text}}, Fields{{"x-api-key", " " + key.text + " "}},
          Fields{{"Authorization", "BEARER  " + key.text}, {"X-Api-Key", key.text}}}) {
        const auto outcome = ask(fields);
        ASSERT_TRUE(outcome.caller) << fields[0].second;
        EXPECT_EQ(outcome.caller->actor, actor);
    }
    EXPECT_EQ(identity->counters().accepted[1].value(), 5U);
}

TEST_F(AuthenticatorTest, AKeyMayBeThePasswordOfBasic) {
    open();
    const NewKey key = make_key();
    const auto basic = [](std::string_view pair) {
        std::string text = encode_base64url(pair);
        std::ranges::replace(text, '-', '+');
        std::ranges::replace(text, '_', '/');
        while (text.size() % 4 != 0) text += '=';
        return "Basic " + text;
    };
    for (const std::string name : {"", "x", "anybody"}) {
        const auto outcome = ask({{"Authorization", basic(name + ":" + key.text)}});
        ASSERT_TRUE(outcome.caller) << name;
        EXPECT_EQ(outcome.caller->actor, "key:" + key.record.public_id);
    }
    EXPECT_EQ(refusal({{"Authorization", basic(key.text)}}), Refusal::kMalformed) << "no colon";
    EXPECT_EQ(refusal({{"Authorization", basic("x:" + key.text + "y")}}), Refusal::kMalformed);
    EXPECT_EQ(refusal({{"Authorization", basic("x:tg_aaaaaaaaaaab_" + std::string(43, 'x'))}}), Refusal::kUnknown);
    EXPECT_EQ(refusal({{"Authorization", "Basic !!!"}}), Refusal::kMalformed);
    for (const char* origin : {"https://elsewhere.example", "null"}) {
        EXPECT_EQ(refusal({{"Authorization", basic("x:" + key.text)}, {"Origin", origin}}), Refusal::kMalformed)
            << "a page of anybody's, in a browser that remembers the key";
        EXPECT_TRUE(ask({{"Authorization", "Bearer " + key.text}, {"origin", origin}}).caller);
    }
}

TEST_F(AuthenticatorTest, ACredentialThatIsSentIsNeverIgnored) {
    open();
    const NewKey key = make_key();
    const NewKey other = make_key();
    EXPECT_EQ(refusal({}), Refusal::kNone) << "this listener asks nobody";
    EXPECT_EQ(refusal({{"Authorization", ""}}), Refusal::kMalformed);
    EXPECT_EQ(refusal({{"Authorization", "Bearer"}}), Refusal::kMalformed);
    EXPECT_EQ(refusal({{"Authorization", "Bearer "}}), Refusal::kMalformed);
    EXPECT_EQ(refusal({{"Authorization", "Basic dXNlcjpwYXNz"}}), Refusal::kMalformed);
    EXPECT_EQ(refusal({{"Authorization", key.text}}), Refusal::kMalformed);
    EXPECT_EQ(refusal({{"X-API-Key", ""}}), Refusal::kMalformed);
    EXPECT_EQ(refusal({{"X-API-Key", "Bearer " + key.text}}), Refusal::kMalformed);
    EXPECT_EQ(refusal({{"X-API-Key", "secret"}}), Refusal::kMalformed);
    EXPECT_EQ(refusal({{"X-API-Key", key.text + "x"}}), Refusal::kMalformed);
    EXPECT_EQ(refusal({{"X-API-Key", "tg_aaaaaaaaaaab_" + std::string(43, 'x')}}), Refusal::kUnknown);
    EXPECT_EQ(refusal({{"X-API-Key", key.text}, {"X-API-Key", key.text}}), Refusal::kMalformed);
    EXPECT_EQ(refusal({{"Authorization", "Bearer " + key.text}, {"X-API-Key", other.text}}), Refusal::kConflicting);
    EXPECT_EQ(refusal({{"Authorization", "Basic dXNlcjpwYXNz"}, {"X-API-Key", key.text}}), Refusal::kMalformed);
    EXPECT_EQ(refusal({{"Authorization", "Bearer a.b.c"}}), Refusal::kTokenOff);
    EXPECT_EQ(identity->counters().refused[static_cast<std::size_t>(Refusal::kMalformed)].value(), 11U);
    EXPECT_EQ(identity->counters().refused[static_cast<std::size_t>(Refusal::kConflicting)].value(), 1U);
}

TEST_F(AuthenticatorTest, WhoNeedsAKeyIsTheSettingsWord) {
    const auto anonymous = [this](const char* word, bool loopback_only) {
        open({{"identity.required", word}}, loopback_only);
        return refusal({}) == Refusal::kNone;
    };
    EXPECT_TRUE(anonymous("auto", true));
    EXPECT_FALSE(anonymous("auto", false));
    EXPECT_FALSE(anonymous("always", true));
    EXPECT_TRUE(anonymous("optional", false));
    EXPECT_TRUE(anonymous("off", false));
    EXPECT_EQ(refusal({{"Authorization", "Bearer of-another-service"}}), Refusal::kNone) << "off: not looked at";
    open({{"identity.required", "optional"}});
    EXPECT_EQ(refusal({{"Authorization", "Bearer of-another-service"}}), Refusal::kMalformed);
    open({{"identity.required", "always"}});
    EXPECT_EQ(refusal({}), Refusal::kMissing);
}

TEST_F(AuthenticatorTest, RefusalsDoNotTellOneInvalidKeyFromAnother) {
    const Error unknown = error_of(Refusal::kUnknown);
    for (const Refusal refusal : {Refusal::kMalformed, Refusal::kConflicting, Refusal::kExpired, Refusal::kRevoked,
                                  Refusal::kTokenOff, Refusal::kTokenBad, Refusal::kTokenAudience}) {
        EXPECT_EQ(error_of(refusal).code, ErrorCode::kUnauthenticated);
        EXPECT_EQ(error_of(refusal).message, unknown.message);
        EXPECT_EQ(challenge_of(refusal), R"(Bearer realm="tidegate", error="invalid_token")");
    }
    EXPECT_EQ(challenge_of(Refusal::kMissing), R"(Bearer realm="tidegate")");
    EXPECT_EQ(error_of(Refusal::kTokenKeys).code, ErrorCode::kUnavailable);
    EXPECT_EQ(challenge_of(Refusal::kTokenKeys), "");
}

TEST_F(AuthenticatorTest, AnAddressIsACallerThatDoesNotShowTheAddress) {
    open();
    const CallerPtr who = ask({}, "192.0.2.7").caller;
    ASSERT_TRUE(who);
    EXPECT_EQ(who->kind, Caller::Kind::kAnonymous);
    EXPECT_TRUE(who->actor.starts_with("address:"));
    EXPECT_EQ(who->actor.size(), 24U);
    EXPECT_EQ(who->actor.find("192"), std::string::npos);
    EXPECT_TRUE(who->may_use("provenance"));
    EXPECT_FALSE(who->may_use("admin"));
    EXPECT_EQ(ask({}, "192.0.2.7").caller, who);
    EXPECT_NE(ask({}, "192.0.2.8").caller->actor, who->actor);
    EXPECT_EQ(ask({}, "::ffff:192.0.2.7").caller->actor, who->actor);
    EXPECT_EQ(ask({}, "2001:db8::1").caller->actor, ask({}, "2001:db8::ffff:2").caller->actor);
    EXPECT_NE(ask({}, "2001:db8::1").caller->actor, ask({}, "2001:db8:0:1::1").caller->actor);
    EXPECT_EQ(ask({}, "fe80::1%eth0").caller->actor, ask({}, "fe80::2").caller->actor);
}

TEST_F(AuthenticatorTest, AnAddressHasOneActorForTheLifeOfTheDatabaseAndOfTheSalt) {
    open();
    const std::string actor = ask({}, "192.0.2.7").caller->actor;
    open();
    EXPECT_EQ(ask({}, "192.0.2.7").caller->actor, actor);
    const std::string path = folder.file("salt");
    ASSERT_TRUE(SystemDisk().write_atomic(path, "a salt that several servers share"));
    open({{"identity.address_salt", "file:" + path}});
    EXPECT_NE(ask({}, "192.0.2.7").caller->actor, actor);
    EXPECT_EQ(ask({}, "192.0.2.7").caller->actor,
              actor_of_address("a salt that several servers share", "192.0.2.7", 64));
}

TEST_F(AuthenticatorTest, TheTableOfAddressesIsBounded) {
    open({{"identity.addresses_max", "16"}});
    const CallerPtr first = ask({}, "10.0.0.0").caller;
    const std::weak_ptr<const Caller> watched = first;
    std::set<const Caller*> alive;
    std::vector<std::weak_ptr<const Caller>> all;
    for (int i = 1; i < 500; ++i)
        all.push_back(ask({}, "10.0." + std::to_string(i / 250) + "." + std::to_string(i % 250)).caller);
    std::size_t kept = 0;
    for (const auto& one : all) kept += one.expired() ? 0 : 1;
    EXPECT_LE(kept, 16U);
    EXPECT_GE(kept, 8U);
    EXPECT_EQ(ask({}, "10.0.0.0").caller->actor, first->actor);
}

TEST_F(AuthenticatorTest, ATokenIsVerifiedOnceAndRememberedUntilItExpires) {
    open({{"jwt.secret", secret_file()}, {"jwt.leeway_s", "0"}});
    const Fields token{{"Authorization", "Bearer " + hs256(kSecret, claims())}};
    const auto first = ask(token);
    ASSERT_TRUE(first.caller);
    EXPECT_EQ(first.caller->actor, "token:|ada");
    for (int i = 0; i < 10; ++i) EXPECT_EQ(ask(token).caller, first.caller);
    EXPECT_EQ(identity->counters().tokens_verified.value(), 1U);
    EXPECT_EQ(identity->counters().accepted[2].value(), 11U);
    clock.advance(61s);
    EXPECT_EQ(ask(token).refusal, Refusal::kExpired);
    EXPECT_EQ(ask(token).refusal, Refusal::kExpired);
}

TEST_F(AuthenticatorTest, ARefusedTokenIsNotRemembered) {
    open({{"jwt.secret", secret_file()}});
    const Fields bad{{"Authorization", "Bearer " + hs256("another secret of thirty-two byte", claims())}};
    EXPECT_EQ(ask(bad).refusal, Refusal::kTokenBad);
    EXPECT_EQ(ask(bad).refusal, Refusal::kTokenBad);
    EXPECT_EQ(identity->counters().tokens_verified.value(), 2U);
}

TEST_F(AuthenticatorTest, ATokenOfAKeyThatWasTakenBackIsRefused) {
    static const RsaKey old_key;
    static const RsaKey new_key;
    disk.files["keys.json"] = jwks(old_key.jwk("k1"));
    open({{"jwt.jwks_file", "keys.json"}});
    const Fields token{{"Authorization", "Bearer " + rs256(old_key, claims())}};
    ASSERT_TRUE(ask(token).caller);
    disk.files["keys.json"] = jwks(new_key.jwk("k2"));
    ASSERT_TRUE(identity->jwks().refresh());
    EXPECT_EQ(ask(token).refusal, Refusal::kTokenBad);
    EXPECT_TRUE(ask({{"X-API-Key", rs256(new_key, claims(), R"({"alg":"RS256","kid":"k2"})")}}).caller);
}

TEST_F(AuthenticatorTest, WhileTheKeysAreFetchedATokenIsNotWrongButEarly) {
    static const RsaKey key;
    open({{"jwt.jwks_url", "https://id.example/keys"}, {"jwt.issuer", "us"}, {"jwt.audience", "gate"}});
    std::function<void(Result<std::string>)> pending;
    int fetches = 0;
    identity->set_fetch([&](const std::string&, std::function<void(Result<std::string>)> done) {
        ++fetches;
        pending = std::move(done);
    });
    const Fields token{{"Authorization", "Bearer " + rs256(key, claims(R"(,"iss":"us","aud":"gate")"))}};
    EXPECT_EQ(ask(token).refusal, Refusal::kTokenKeys);
    EXPECT_EQ(ask(token).refusal, Refusal::kTokenKeys);
    EXPECT_EQ(fetches, 1);
    pending(jwks(key.jwk("k1")));
    EXPECT_EQ(ask(token).refusal, Refusal::kNone);
    const Fields unknown{{"Authorization", "Bearer " + rs256(key, claims(), R"({"alg":"RS256","kid":"k9"})")}};
    EXPECT_EQ(ask(unknown).refusal, Refusal::kTokenBad) << "the set is fresh: no fetch, a plain no";
    clock.advance(1min);
    EXPECT_EQ(ask(unknown).refusal, Refusal::kTokenKeys);
    EXPECT_EQ(fetches, 2);
    pending(fail(ErrorCode::kUnavailable, "no answer"));
    EXPECT_EQ(ask(unknown).refusal, Refusal::kTokenBad);
    EXPECT_EQ(fetches, 2);
}

TEST_F(AuthenticatorTest, AMissingScopeIsCounted) {
    open();
    const NewKey key = make_key({.name = "k", .scopes = {"flood"}});
    const CallerPtr who = ask({{"X-API-Key", key.text}}).caller;
    const std::vector<std::string> route{"provenance:read"};
    EXPECT_FALSE(authenticator->may_use(*who, route));
    EXPECT_TRUE(authenticator->may_use(*who, {}));
    EXPECT_EQ(identity->counters().forbidden.value(), 1U);
}

TEST_F(AuthenticatorTest, TheMetricsAndTheStatusShowCountsAndNoSecret) {
    open({{"jwt.secret", secret_file()}});
    observe::Registry registry;
    declare_metrics(registry, identity->counters());
    const NewKey key = make_key();
    ask({{"X-API-Key", key.text}});
    ask({{"X-API-Key", key.text + "x"}});
    const std::string text = registry.render(observe::Exposition::kPrometheusText);
    EXPECT_THAT(text, ::testing::HasSubstr("tidegate_identity_accepted_total{kind=\"key\"} 1"));
    EXPECT_THAT(text, ::testing::HasSubstr("tidegate_identity_refused_total{reason=\"malformed\"} 1"));
    std::string status;
    JsonWriter writer(status);
    identity->append_status(writer);
    EXPECT_EQ(status, R"({"required":false,"keys_active":1,"keys_known":1,"degraded":false})");
    EXPECT_EQ((text + status).find(key.text.substr(16)), std::string::npos);
    EXPECT_EQ((text + status).find(kSecret), std::string::npos);
}

}  // namespace
}  // namespace tidegate::pipeline
