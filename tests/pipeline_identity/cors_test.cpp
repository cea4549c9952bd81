// CORS: closed by default, never open by accident, and honest to caches.
#include "pipeline/identity/cors.h"

#include "pipeline_identity/fixture.h"

namespace tidegate::pipeline {
namespace {

Cors cors_of(std::vector<std::string> origins, bool credentials = false) {
    IdentitySettings settings;
    testing::load(settings);
    settings.cors.allowed_origins = std::move(origins);
    settings.cors.allow_credentials = credentials;
    auto cors = Cors::create(settings.cors);
    EXPECT_TRUE(cors) << cors.error().message;
    return *std::move(cors);
}

bool is_refused(const std::string& origin, bool credentials = false) {
    IdentitySettings settings;
    testing::load(settings);
    settings.cors.allowed_origins = {origin};
    settings.cors.allow_credentials = credentials;
    return !Cors::create(settings.cors);
}

http::Headers fields(std::vector<std::pair<std::string, std::string>> list) {
    http::Headers headers;
    for (const auto& [name, value] : list) headers.add(name, value);
    return headers;
}

http::Headers preflight_of(const std::string& origin) {
    return fields({{"Origin", origin}, {"Access-Control-Request-Method", "POST"}});
}

constexpr http::Method kOptions = http::Method::kOptions;

TEST(CorsTest, IsClosedByDefault) {
    const Cors cors = cors_of({});
    EXPECT_FALSE(cors.is_open());
    EXPECT_FALSE(cors.preflight(kOptions, preflight_of("https://a.example"), "GET"));
    http::Headers answer;
    cors.decorate(fields({{"Origin", "https://a.example"}}), answer);
    EXPECT_TRUE(answer.fields().empty());
}

TEST(CorsTest, AnAllowedOriginIsAnsweredByName) {
    const Cors cors = cors_of({"https://b.example", "https://a.example:8443"});
    const auto answer = cors.preflight(kOptions, preflight_of("https://a.example:8443"), "GET, POST");
    ASSERT_TRUE(answer);
    EXPECT_TRUE(answer->allowed);
    EXPECT_EQ(answer->headers.get("Access-Control-Allow-Origin"), "https://a.example:8443");
    EXPECT_EQ(answer->headers.get("Access-Control-Allow-Methods"), "GET, POST");
    EXPECT_EQ(answer->headers.get("Access-Control-Max-Age"), "600");
    EXPECT_THAT(std::string(*answer->headers.get("Access-Control-Allow-Headers")), ::testing::HasSubstr("X-API-Key"));
    EXPECT_EQ(answer->headers.get("Vary"), "Origin");
    EXPECT_FALSE(answer->headers.get("Access-Control-Allow-Credentials"));
    http::Headers response;
    response.add("Vary", "Accept-Encoding");
    cors.decorate(fields({{"Origin", "https://b.example"}}), response);
    EXPECT_EQ(response.get("Access-Control-Allow-Origin"), "https://b.example");
    EXPECT_EQ(response.get("Vary"), "Accept-Encoding, Origin");
    EXPECT_THAT(std::string(*response.get("Access-Control-Expose-Headers")), ::testing::HasSubstr("X-Request-Id"));
}

TEST(CorsTest, AnotherOriginGetsNothingAndCachesAreTold) {
    const Cors cors = cors_of({"https://a.example"});
    for (const char* origin : {"https://a.example.evil.example", "https://a.exampl", "http://a.example",
                               "https://A.example", "https://a.example/", "https://a.example:444", "null", ""}) {
        const auto answer = cors.preflight(kOptions, preflight_of(origin), "GET");
        ASSERT_TRUE(answer) << origin;
        EXPECT_FALSE(answer->allowed) << origin;
        EXPECT_FALSE(answer->headers.get("Access-Control-Allow-Origin")) << origin;
        EXPECT_EQ(answer->headers.get("Vary"), "Origin");
        http::Headers response;
        cors.decorate(fields({{"Origin", origin}}), response);
        EXPECT_FALSE(response.get("Access-Control-Allow-Origin")) << origin;
        EXPECT_EQ(response.get("Vary"), "Origin") << origin;
    }
    http::Headers without;
    cors.decorate({}, without);
    EXPECT_EQ(without.get("Vary"), "Origin") << "the answer without an origin must not be served to one";
    http::Headers twice;
    cors.decorate(fields({{"Origin", "https://a.example"}, {"Origin", "https://a.example"}}), twice);
    EXPECT_FALSE(twice.get("Access-Control-Allow-Origin"));
}

TEST(CorsTest, OnlyAPreflightIsAnsweredAsOne) {
    const Cors cors = cors_of({"https://a.example"});
    EXPECT_FALSE(cors.preflight(http::Method::kGet, preflight_of("https://a.example"), "GET"));
    EXPECT_FALSE(cors.preflight(kOptions, fields({{"Origin", "https://a.example"}}), "GET"));
    EXPECT_FALSE(cors.preflight(kOptions, fields({{"Access-Control-Request-Method", "GET"}}), "GET"));
}

TEST(CorsTest, StarIsSaidWithoutCredentialsOnly) {
    const Cors cors = cors_of({"*", "https://a.example"});
    http::Headers response;
    cors.decorate(fields({{"Origin", "https://anything.example"}}), response);
    EXPECT_EQ(response.get("Access-Control-Allow-Origin"), "*");
    EXPECT_FALSE(response.get("Vary"));
    EXPECT_TRUE(is_refused("*", true));
    const Cors named = cors_of({"https://a.example"}, true);
    http::Headers with;
    named.decorate(fields({{"Origin", "https://a.example"}}), with);
    EXPECT_EQ(with.get("Access-Control-Allow-Origin"), "https://a.example");
    EXPECT_EQ(with.get("Access-Control-Allow-Credentials"), "true");
}

TEST(CorsTest, AnOriginThatNoBrowserSendsStopsTheStart) {
    for (const char* origin : {"a.example", "https://", "https://a.example/", "https://a.example/path",
                               "https://A.example", "HTTPS://a.example", "https://a.example:443", "http://a.example:80",
                               "null", "", "https://a.example b", "https://*.a.example", "https://a.example\r\nX: 1"}) {
        EXPECT_TRUE(is_refused(origin)) << origin;
    }
    for (const char* origin : {"https://a.example", "http://127.0.0.1:3000", "http://[::1]:8080",
                               "http://localhost:5173", "chrome-extension://abcdefgh", "https://a.example:80"}) {
        EXPECT_FALSE(is_refused(origin)) << origin;
    }
    IdentitySettings settings;
    testing::load(settings);
    settings.cors.allowed_headers = {"X-A\r\nX-B"};
    EXPECT_FALSE(Cors::create(settings.cors));
}

}  // namespace
}  // namespace tidegate::pipeline
