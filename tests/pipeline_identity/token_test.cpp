// The form of a token, the vectors of RFC 7515, and the ways in which tokens are forged.
#include "pipeline/identity/token.h"

#include "pipeline/identity/token_check.h"
#include "pipeline_identity/fixture.h"
#include "pipeline_identity/token_maker.h"

namespace tidegate::pipeline {
namespace {

using namespace std::chrono_literals;
using testing::hs256;
using testing::jwks;
using testing::rs256;
using testing::RsaKey;

// RFC 7515, appendices A.1 and A.2: one payload, signed both ways.
constexpr std::string_view kClaims =
    "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ";
constexpr std::string_view kHs256Header = "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9";
constexpr std::string_view kHs256Signature = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
constexpr std::string_view kHs256Key =
    "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow";
constexpr std::string_view kRs256Header = "eyJhbGciOiJSUzI1NiJ9";
constexpr std::string_view kRs256Signature =
    "cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CUAr7t"
    "1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12j"
    "zDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQ"
    "Ge77Rw";
constexpr std::string_view kRs256Jwks =
    R"({"keys":[{"kty":"RSA","n":"ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ","e":"AQAB"}]})";

std::string joined(std::string_view a, std::string_view b, std::string_view c) {
    return std::string(a) + "." + std::string(b) + "." + std::string(c);
}

TEST(TokenVectors, Hs256OfRfc7515A1) {
    const std::string text = joined(kHs256Header, kClaims, kHs256Signature);
    const auto token = parse_token(text, 8192);
    ASSERT_TRUE(token) << token.error().message;
    EXPECT_EQ(token->algorithm, TokenAlgorithm::kHs256);
    EXPECT_EQ(token->claims.root().find("iss")->as_string(), "joe");
    const std::string key = *decode_base64url(kHs256Key);
    EXPECT_TRUE(verify_hs256(key, token->signed_, token->signature));
    EXPECT_FALSE(verify_hs256(key.substr(1), token->signed_, token->signature));
}

TEST(TokenVectors, Rs256OfRfc7515A2) {
    const std::string text = joined(kRs256Header, kClaims, kRs256Signature);
    const auto token = parse_token(text, 8192);
    ASSERT_TRUE(token) << token.error().message;
    const auto keys = TokenKeys::parse(kRs256Jwks);
    ASSERT_TRUE(keys) << keys.error().message;
    EXPECT_TRUE(keys->verify("", token->signed_, token->signature));
    std::string spoiled = token->signature;
    spoiled[100] = static_cast<char>(spoiled[100] ^ 1);
    EXPECT_FALSE(keys->verify("", token->signed_, spoiled));
    EXPECT_FALSE(keys->verify("other", token->signed_, token->signature));
}

TEST(Base64Url, IsReadInOneFormOnly) {
    EXPECT_EQ(decode_base64url(""), "");
    EXPECT_EQ(decode_base64url("_-8"), "\xFF\xEF");
    EXPECT_EQ(encode_base64url("\xFF\xEF"), "_-8");
    for (const std::string_view text : {"A", "AAAAA", "AB", "AAB", "AA==", "A A", "+/AA", "AA\n"}) {
        EXPECT_FALSE(decode_base64url(text)) << text;
    }
    for (std::size_t size = 0; size < 40; ++size) {
        const std::string bytes(size, '\xA5');
        EXPECT_EQ(decode_base64url(encode_base64url(bytes)), bytes);
    }
}

class TokenTest : public ::testing::Test {
  protected:
    void SetUp() override {
        testing::load(settings);
        rules = settings.jwt;
        rules.secret = settings::Secret(kSecret);
        rules.leeway = 0s;
    }
    static const RsaKey& rsa() {
        static const RsaKey key;
        return key;
    }
    static std::string claims(const std::string& more = "") { return R"({"sub":"ada","exp":2000)" + more + "}"; }

    CheckedToken check(const std::string& text, UnixMillis now = 1'000'000) {
        const auto token = parse_token(text, rules.token_bytes_max);
        if (!token) return {.refusal = Refusal::kMalformed, .caller = nullptr, .expires = 0, .why = "form"};
        return check_token(rules, *token, keys ? &*keys : nullptr, now);
    }
    CheckedToken check_claims(const std::string& text) { return check(hs256(kSecret, text)); }

    static constexpr const char* kSecret = "0123456789abcdef0123456789abcdef";
    IdentitySettings settings;
    JwtSettings rules;
    std::optional<TokenKeys> keys;
};

TEST_F(TokenTest, AGoodTokenMakesItsCaller) {
    rules.issuer = "https://id.example";
    rules.audience = "tidegate";
    const CheckedToken checked = check_claims(claims(
        R"(,"iss":"https://id.example","aud":["other","tidegate"],"tenant":"north","scope":"flood openid flood:read")"));
    ASSERT_TRUE(checked.caller) << checked.why;
    EXPECT_EQ(checked.caller->kind, Caller::Kind::kToken);
    EXPECT_EQ(checked.caller->actor, "token:https://id.example|ada");
    EXPECT_EQ(checked.caller->actor_hash, hash_of(checked.caller->actor));
    EXPECT_EQ(checked.caller->tenant, "north");
    EXPECT_THAT(checked.caller->scopes, ::testing::ElementsAre("flood", "openid", "flood:read"));
    EXPECT_EQ(checked.expires, 2'000'000);
}

TEST_F(TokenTest, ScopesComeFromEitherClaimOrTheDefault) {
    EXPECT_THAT(check_claims(claims()).caller->scopes, ::testing::ElementsAre("*"));
    EXPECT_THAT(check_claims(claims(R"(,"scopes":["a","b:read"])")).caller->scopes,
                ::testing::ElementsAre("a", "b:read"));
    EXPECT_THAT(check_claims(claims(R"(,"scopes":"a b")")).caller->scopes, ::testing::ElementsAre("a", "b"));
    EXPECT_THAT(check_claims(claims(R"(,"scope":"https://x/y Z")")).caller->scopes, ::testing::IsEmpty());
    EXPECT_THAT(check_claims(claims(R"(,"scope":"")")).caller->scopes, ::testing::IsEmpty());
    EXPECT_EQ(check_claims(claims(R"(,"scope":7)")).refusal, Refusal::kTokenBad);
    EXPECT_EQ(check_claims(claims(R"(,"scopes":["a",7])")).refusal, Refusal::kTokenBad);
}

TEST_F(TokenTest, ATokenIsNoAdministratorUnlessTheSettingsSaySo) {
    const std::string asking = claims(R"(,"scope":"admin flood")");
    EXPECT_FALSE(check_claims(asking).caller->admin);
    EXPECT_FALSE(check_claims(asking).caller->may_use("admin"));
    rules.allow_admin = true;
    EXPECT_TRUE(check_claims(asking).caller->admin);
    EXPECT_FALSE(check_claims(claims()).caller->admin);
}

TEST_F(TokenTest, TimesHoldToTheMillisecondWithTheLeeway) {
    const std::string token = hs256(kSecret, claims(R"(,"nbf":1000)"));
    EXPECT_EQ(check(token, 999'999).refusal, Refusal::kTokenBad);
    EXPECT_EQ(check(token, 1'000'000).refusal, Refusal::kNone);
    EXPECT_EQ(check(token, 1'999'999).refusal, Refusal::kNone);
    EXPECT_EQ(check(token, 2'000'000).refusal, Refusal::kExpired);
    rules.leeway = 30s;
    EXPECT_EQ(check(token, 970'000).refusal, Refusal::kNone);
    EXPECT_EQ(check(token, 2'029'999).refusal, Refusal::kNone);
    EXPECT_EQ(check(token, 970'000).caller->ends.load(), 2'030'000);
    EXPECT_EQ(check(token, 2'030'000).refusal, Refusal::kExpired);
}

TEST_F(TokenTest, ClaimsThatAreNotAsTheyMustBeAreRefused) {
    for (const std::string text : {
             R"({"exp":2000})",
             R"({"sub":"","exp":2000})",
             R"({"sub":7,"exp":2000})",
             R"({"sub":"a\nb","exp":2000})",
             R"({"sub":"ada"})",
             R"({"sub":"ada","exp":"2000"})",
             R"({"sub":"ada","exp":null})",
             R"({"sub":"ada","exp":true})",
             R"({"sub":"ada","exp":[2000]})",
             R"({"sub":"ada","exp":2000,"nbf":"1"})",
             R"({"sub":"ada","exp":2000,"iat":"1"})",
             R"({"sub":"ada","exp":2000,"iss":"a|b"})",
             R"({"sub":"ada","exp":2000,"tenant":7})",
             R"({"sub":"ada","exp":2000,"tenant":""})",
         }) {
        EXPECT_EQ(check_claims(text).refusal, Refusal::kTokenBad) << text;
    }
    EXPECT_EQ(check_claims(R"({"sub":"ada","exp":-1})").refusal, Refusal::kExpired);
    EXPECT_EQ(check_claims(R"({"sub":"ada","exp":-1e300})").refusal, Refusal::kExpired);
    EXPECT_EQ(check_claims(R"({"sub":"ada","exp":1e300})").refusal, Refusal::kNone);
    EXPECT_EQ(check_claims(R"({"sub":"ada","exp":18446744073709551615})").refusal, Refusal::kNone);
    EXPECT_EQ(check_claims(R"({"sub":"ada","exp":2000.5})").expires, 2'000'500);
}

TEST_F(TokenTest, IssuerAndAudienceMustBeOurs) {
    EXPECT_EQ(check_claims(claims(R"(,"iss":7)")).refusal, Refusal::kTokenAudience);
    EXPECT_EQ(check_claims(claims(R"(,"aud":"somebody")")).refusal, Refusal::kTokenAudience)
        << "a token for a named reader, and we have no name";
    rules.issuer = "us";
    EXPECT_EQ(check_claims(claims()).refusal, Refusal::kTokenAudience);
    EXPECT_EQ(check_claims(claims(R"(,"iss":"us2")")).refusal, Refusal::kTokenAudience);
    EXPECT_EQ(check_claims(claims(R"(,"iss":"us")")).refusal, Refusal::kNone);
    rules.audience = "gate";
    EXPECT_EQ(check_claims(claims(R"(,"iss":"us")")).refusal, Refusal::kTokenAudience);
    EXPECT_EQ(check_claims(claims(R"(,"iss":"us","aud":["gate2",7])")).refusal, Refusal::kTokenAudience);
    EXPECT_EQ(check_claims(claims(R"(,"iss":"us","aud":"gate")")).refusal, Refusal::kNone);
}

TEST_F(TokenTest, ALongSubjectStillFitsIntoADecision) {
    const std::string issuer(100, 'i');
    const auto actor = [&](const std::string& sub) {
        return check_claims(R"({"sub":")" + sub + R"(","exp":2000,"iss":")" + issuer + "\"}").caller->actor;
    };
    const std::string a = actor(std::string(128, 'a'));
    EXPECT_LE(a.size(), 200U);
    EXPECT_TRUE(a.starts_with("token:"));
    EXPECT_NE(a, actor(std::string(127, 'a') + "b"));
}

// One row a known attack on readers of tokens.
TEST_F(TokenTest, ForgedTokensAreRefused) {
    keys = TokenKeys::parse(jwks(rsa().jwk("k1"))).value();
    rules.jwks_file = "keys.json";
    const std::string good = hs256(kSecret, claims());
    const std::string strong = rs256(rsa(), claims());
    ASSERT_EQ(check(good).refusal, Refusal::kNone);
    ASSERT_EQ(check(strong).refusal, Refusal::kNone) << check(strong).why;
    const auto part = [](const std::string& text) { return encode_base64url(text); };
    const std::string signature = good.substr(good.rfind('.') + 1);
    const std::vector<std::pair<std::string, std::string>> attacks{
        {"no algorithm, no signature", part(R"({"alg":"none"})") + "." + part(claims()) + "."},
        {"no algorithm, old signature", part(R"({"alg":"none"})") + "." + part(claims()) + "." + signature},
        {"None in capitals", hs256(kSecret, claims(), R"({"alg":"NONE"})")},
        {"alg in small letters", hs256(kSecret, claims(), R"({"alg":"hs256"})")},
        {"alg missing", hs256(kSecret, claims(), R"({"typ":"JWT"})")},
        {"alg as list", hs256(kSecret, claims(), R"({"alg":["HS256"]})")},
        {"HS512", hs256(kSecret, claims(), R"({"alg":"HS512"})")},
        {"HS256 signed with the RSA public key", hs256(rsa().pem(), claims())},
        {"the same with its kid", hs256(rsa().pem(), claims(), R"({"alg":"HS256","kid":"k1"})")},
        {"HS256 signed with nothing", hs256("", claims())},
        {"RS256 claimed over an HMAC", hs256(kSecret, claims(), R"({"alg":"RS256","kid":"k1"})")},
        {"RS256 by another key", rs256(RsaKey(), claims())},
        {"key brought along",
         rs256(RsaKey(), claims(), R"({"alg":"RS256","kid":"k1","jwk":)" + RsaKey().jwk("k1") + "}")},
        {"claims changed", good.substr(0, good.find('.')) + "." + part(claims(R"(,"scope":"*")")) + "." + signature},
        {"signature cut", good.substr(0, good.size() - 4)},
        {"signature missing", good.substr(0, good.rfind('.') + 1)},
        {"RS256 signature cut", strong.substr(0, strong.size() - 4)},
        {"two parts", good.substr(0, good.rfind('.'))},
        {"four parts", good + ".x"},
        {"five parts, as an encrypted token has", good + ".x.y"},
        {"a line break within", good.substr(0, 5) + "\n" + good.substr(5)},
        {"padding", good + "="},
        {"stray bits at the end", good.substr(0, good.size() - 1) + "l"},
        {"claims named twice", hs256(kSecret, R"({"sub":"ada","sub":"root","exp":2000})")},
        {"a name spelled by escape twice", hs256(kSecret, R"({"sub":"ada","\u0073ub":"root","exp":2000})")},
        {"header named twice", hs256(kSecret, claims(), R"({"alg":"HS256","alg":"none"})")},
        {"crit", hs256(kSecret, claims(), R"({"alg":"HS256","crit":["b64"],"b64":false})")},
        {"another kind of token", hs256(kSecret, claims(), R"({"alg":"HS256","typ":"logout+jwt"})")},
        {"typ as number", hs256(kSecret, claims(), R"({"alg":"HS256","typ":1})")},
        {"kid as number", hs256(kSecret, claims(), R"({"alg":"HS256","kid":1})")},
        {"kid as path", hs256(kSecret, claims(), R"({"alg":"RS256","kid":"../../dev/null"})")},
        {"kid empty", hs256(kSecret, claims(), R"({"alg":"HS256","kid":""})")},
        {"kid endless", hs256(kSecret, claims(), R"({"alg":"HS256","kid":")" + std::string(257, 'k') + "\"}")},
        {"claims as list", hs256(kSecret, R"([{"sub":"ada","exp":2000}])")},
        {"claims as text", hs256(kSecret, R"("ada")")},
        {"claims empty", hs256(kSecret, "")},
        {"claims not UTF-8", hs256(kSecret, "{\"sub\":\"\xFF\",\"exp\":2000}")},
        {"something after the claims", hs256(kSecret, claims() + "{}")},
        {"a deep nest", hs256(kSecret, claims(R"(,"x":)" + std::string(200, '[') + std::string(200, ']')))},
        {"huge", hs256(kSecret, claims(R"(,"x":")" + std::string(8192, 'x') + "\""))},
        {"nothing", ""},
        {"dots", ".."},
    };
    for (const auto& [name, text] : attacks) {
        const CheckedToken checked = check(text);
        EXPECT_NE(checked.refusal, Refusal::kNone) << name;
        EXPECT_FALSE(checked.caller) << name;
    }
}

TEST_F(TokenTest, AnAlgorithmThatIsNotSetUpIsOff) {
    keys = TokenKeys::parse(jwks(rsa().jwk("k1"))).value();
    EXPECT_EQ(check(rs256(rsa(), claims())).refusal, Refusal::kTokenOff) << "no JWKS in the settings";
    rules.jwks_file = "keys.json";
    rules.secret = {};
    EXPECT_EQ(check(hs256(kSecret, claims())).refusal, Refusal::kTokenOff);
    EXPECT_EQ(check(hs256("", claims())).refusal, Refusal::kTokenOff);
}

TEST_F(TokenTest, TheKeyIsChosenByItsId) {
    const RsaKey second;
    rules.jwks_file = "keys.json";
    EXPECT_EQ(check(rs256(rsa(), claims())).refusal, Refusal::kTokenKeys) << "no set yet: not the token's fault";
    keys = TokenKeys::parse(jwks(rsa().jwk("k1") + "," + second.jwk("k2"))).value();
    EXPECT_EQ(check(rs256(rsa(), claims())).refusal, Refusal::kNone);
    EXPECT_EQ(check(rs256(second, claims(), R"({"alg":"RS256","kid":"k2"})")).refusal, Refusal::kNone);
    EXPECT_EQ(check(rs256(second, claims(), R"({"alg":"RS256","kid":"k1"})")).refusal, Refusal::kTokenBad);
    EXPECT_EQ(check(rs256(second, claims(), R"({"alg":"RS256","kid":"k3"})")).refusal, Refusal::kTokenKeys);
    EXPECT_EQ(check(rs256(second, claims(), R"({"alg":"RS256"})")).refusal, Refusal::kTokenBad);
    keys = TokenKeys::parse(jwks(second.jwk("k2"))).value();
    EXPECT_EQ(check(rs256(second, claims(), R"({"alg":"RS256"})")).refusal, Refusal::kNone) << "only one it can be";
}

TEST(TokenKeysTest, OnlyKeysFitForRs256AreTaken) {
    static const RsaKey key;
    const auto count = [](const std::string& document) {
        const auto keys = TokenKeys::parse(document);
        return keys ? keys->size() : 0;
    };
    EXPECT_EQ(count(jwks(key.jwk("a"))), 1U);
    EXPECT_EQ(count(jwks(key.jwk("a", R"(,"use":"sig","alg":"RS256","key_ops":["verify"])"))), 1U);
    EXPECT_EQ(count(jwks(key.jwk("a") + "," + key.jwk("b", R"(,"use":"enc")"))), 1U);
    EXPECT_EQ(count(jwks(key.jwk("a", R"(,"alg":"RS512")"))), 0U);
    EXPECT_EQ(count(jwks(key.jwk("a", R"(,"key_ops":["encrypt"])"))), 0U);
    EXPECT_EQ(count(jwks(R"({"kty":"oct","kid":"a","k":"AAAA"})")), 0U);
    EXPECT_EQ(count(jwks(R"({"kty":"EC","kid":"a","crv":"P-256"})")), 0U);
    EXPECT_EQ(count(jwks(RsaKey(1024).jwk("a"))), 0U);
    EXPECT_EQ(count(jwks(key.jwk("a") + "," + key.jwk("a"))), 0U);
    EXPECT_EQ(count(jwks(R"({"kty":"RSA","n":"AQ","e":"AQAB"},7,null,"x",{"kty":"RSA"})")), 0U);
    for (const char* text : {"", "[]", "{}", R"({"keys":{}})", R"({"keys":[]})", "\xFF"})
        EXPECT_EQ(count(text), 0U) << text;
}

}  // namespace
}  // namespace tidegate::pipeline
