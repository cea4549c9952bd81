// What travels on to an upstream and back (RFC 9110, 7.6; RFC 7239), and what clients cannot smuggle past us.
#include "pipeline/cache/rules/forwarding.h"

#include <gtest/gtest.h>

#include "pipeline_cache_rules/scenario.h"

namespace tidegate::cache::rules {
namespace {

http::RequestHead request(Fields fields, http::Method method = http::Method::kGet, std::string_view text = "GET") {
    http::RequestHead head;
    head.method = method;
    head.method_text = text;
    head.headers = headers(fields);
    head.peer_address = "192.0.2.7";
    return head;
}
const ForwardOptions kOptions{.upstream_authority = "10.0.0.1:9000"};

http::Headers forwarded(const http::RequestHead& head, const ForwardOptions& options = kOptions) {
    auto out = forward_request_headers(head, options);
    EXPECT_TRUE(out);
    return out.value_or(http::Headers());
}
int refusal(const http::RequestHead& head, const ForwardOptions& options = kOptions) {
    const auto out = forward_request_headers(head, options);
    return out ? 0 : out.error().status;
}

TEST(ForwardRequest, NothingOfTheConnectionTravels) {
    const http::Headers out = forwarded(request({{"Host", "a"},
                                                 {"Connection", "X-One, close, Keep-Alive"},
                                                 {"X-One", "1"},
                                                 {"Keep-Alive", "1"},
                                                 {"TE", "trailers"},
                                                 {"Trailer", "x"},
                                                 {"Transfer-Encoding", "chunked"},
                                                 {"Upgrade", "websocket"},
                                                 {"Proxy-Authorization", "x"},
                                                 {"Proxy-Connection", "x"},
                                                 {"HTTP2-Settings", "x"},
                                                 {"Content-Length", "3"},
                                                 {"Expect", "100-continue"},
                                                 {"Accept", "*/*"},
                                                 {"Authorization", "Bearer x"}}));
    std::string names;
    for (const auto& [name, value] : out.fields()) names.append(name).append(" ");
    EXPECT_EQ(names, "Host Accept Authorization X-Forwarded-For X-Forwarded-Proto X-Forwarded-Host Via ");
    EXPECT_EQ(out.get("host"), "10.0.0.1:9000");
    EXPECT_EQ(out.get("x-forwarded-host"), "a");
}

TEST(ForwardRequest, ConnectionCannotTakeAwayWhatOthersRelyOn) {
    const http::Headers out =
        forwarded(request({{"Host", "a"},
                           {"Connection", "Authorization, Cache-Control, X-Forwarded-For, Host, Cookie"},
                           {"Authorization", "x"},
                           {"Cache-Control", "y"},
                           {"Cookie", "z"}}));
    EXPECT_TRUE(out.get("authorization") && out.get("cache-control") && out.get("x-forwarded-for"));
    EXPECT_FALSE(out.get("cookie"));
}

TEST(ForwardRequest, AClientCannotSayWhoItIs) {
    const http::Headers out = forwarded(request({{"Host", "a"},
                                                 {"X-Forwarded-For", "6.6.6.6"},
                                                 {"X_Forwarded_For", "6.6.6.6"},
                                                 {"X-Forwarded-Proto", "https"},
                                                 {"X-Forwarded-Host", "evil"},
                                                 {"Forwarded", "for=6.6.6.6"},
                                                 {"X-Real-IP", "6.6.6.6"},
                                                 {"x_real_ip", "6.6.6.6"}}));
    for (const auto& [name, value] : out.fields()) {
        EXPECT_EQ(value.find("6.6.6.6"), std::string::npos) << name;
        EXPECT_EQ(value.find("evil"), std::string::npos) << name;
    }
    EXPECT_EQ(out.get("x-forwarded-for"), "192.0.2.7");
    EXPECT_EQ(out.get("x-forwarded-proto"), "http");
}

TEST(ForwardRequest, AProxyOfOursIsBelievedAndAppendedTo) {
    ForwardOptions options = kOptions;
    options.forwarded = ForwardedStyle::kBoth;
    http::RequestHead head = request({{"Host", "a"},
                                      {"X-Forwarded-For", "1.1.1.1"},
                                      {"X-Forwarded-For", "2.2.2.2"},
                                      {"X-Forwarded-Proto", "https"},
                                      {"Forwarded", "for=6.6.6.6"}});
    head.peer_trusted = true;
    head.client_address = "2.2.2.2";
    const http::Headers out = forwarded(head, options);
    EXPECT_EQ(out.get("x-forwarded-for"), "1.1.1.1, 2.2.2.2, 192.0.2.7");
    EXPECT_EQ(out.count("x-forwarded-for"), 1U);
    EXPECT_EQ(out.get("x-forwarded-proto"), "https");
    // Not the field that its word was read from: a client may have written it.
    EXPECT_EQ(out.get("forwarded"), "for=2.2.2.2, for=192.0.2.7;host=a;proto=http");
}

TEST(ForwardRequest, AProxyOfOursThatWritesForwardedIsUnderstoodInBothForms) {
    ForwardOptions options = kOptions;
    options.forwarded = ForwardedStyle::kBoth;
    http::RequestHead head = request({{"Host", "a"}, {"Forwarded", "for=1.1.1.1;proto=https"}});
    head.peer_trusted = true;
    head.client_address = "1.1.1.1";
    const http::Headers out = forwarded(head, options);
    EXPECT_EQ(out.get("forwarded"), "for=1.1.1.1;proto=https, for=192.0.2.7;host=a;proto=http");
    EXPECT_EQ(out.get("x-forwarded-for"), "1.1.1.1, 192.0.2.7");
    // One that said nothing stands for itself.
    head = request({{"Host", "a"}});
    head.peer_trusted = true;
    head.client_address = head.peer_address;
    EXPECT_EQ(forwarded(head, options).get("x-forwarded-for"), "192.0.2.7");
    EXPECT_EQ(forwarded(head, options).get("forwarded"), "for=192.0.2.7;host=a;proto=http");
}

TEST(ForwardRequest, AddressesWithColonsAreQuotedInForwarded) {
    ForwardOptions options = kOptions;
    options.forwarded = ForwardedStyle::kForwarded;
    http::RequestHead head = request({{"Host", "a:8080"}});
    head.peer_address = "2001:db8::1";
    head.tls = true;
    EXPECT_EQ(forwarded(head, options).get("forwarded"), "for=\"[2001:db8::1]\";host=\"a:8080\";proto=https");
    EXPECT_FALSE(forwarded(head, options).get("x-forwarded-for"));
}

TEST(ForwardRequest, FieldsThatRerouteStayHere) {
    for (const std::string_view name : {"X-Original-URL", "X-Rewrite-URL", "X-HTTP-Method-Override",
                                        "X-Forwarded-Prefix", "X-Host", "X_HTTP_METHOD_OVERRIDE"}) {
        EXPECT_FALSE(forwarded(request({{"Host", "a"}, {name, "x"}})).get(name)) << name;
    }
    EXPECT_TRUE(forwarded(request({{"Host", "a"}, {"my_header", "x"}})).get("my_header"));
}

TEST(ForwardRequest, OurCredentialsStayHereInEverySpelling) {
    ForwardOptions options = kOptions;
    options.drop = {"x-api-key"};
    const http::Headers out = forwarded(request({{"Host", "a"}, {"X-Api-Key", "s"}, {"X_API_KEY", "s"}}), options);
    EXPECT_FALSE(out.get("x-api-key") || out.get("x_api_key"));
}

TEST(ForwardRequest, TheClientsHostTravelsWhereTheRouteSaysSo) {
    ForwardOptions options = kOptions;
    options.keep_host = true;
    EXPECT_EQ(forwarded(request({{"Host", "a"}}), options).get("host"), "a");
    EXPECT_EQ(forwarded(request({}), options).get("host"), "10.0.0.1:9000");
}

TEST(Via, GrowsByOneAndALoopIsRefused) {
    const http::Headers out = forwarded(request({{"Host", "a"}, {"Via", "1.0 fred, 1.1 tidegate.example"}}));
    EXPECT_EQ(out.count("via"), 2U);
    for (const std::string_view via :
         {"1.1 tidegate", "HTTP/1.1 tidegate (x, y)", "1.0 fred, 2 TIDEGATE", "1.1\ttidegate(x)"}) {
        EXPECT_EQ(refusal(request({{"Host", "a"}, {"Via", via}})), 508) << via;
    }
    EXPECT_FALSE(is_loop(headers({{"Via", "tidegate, 1.1 x (tidegate)"}}), "tidegate"));
}

TEST(ForwardRequest, TraceAndConnectAreNotPassedOn) {
    EXPECT_EQ(refusal(request({{"Host", "a"}}, http::Method::kOther, "TRACE")), 405);
    EXPECT_EQ(refusal(request({{"Host", "a"}}, http::Method::kOther, "CONNECT")), 405);
    ForwardOptions options = kOptions;
    options.trace = true;
    EXPECT_EQ(refusal(request({{"Host", "a"}}, http::Method::kOther, "TRACE"), options), 0);
}

TEST(ForwardRequest, MaxForwardsCountsDownForOptions) {
    using http::Method;
    const auto with = [](std::string_view value) {
        return request({{"Host", "a"}, {"Max-Forwards", value}}, Method::kOptions, "OPTIONS");
    };
    EXPECT_EQ(forwarded(with("10")).get("max-forwards"), "9");
    EXPECT_EQ(refusal(with("0")), 200);
    EXPECT_FALSE(forwarded(with("x")).get("max-forwards"));
    EXPECT_FALSE(forwarded(request({{"Host", "a"}, {"Max-Forwards", "0"}})).get("max-forwards"));
}

TEST(ForwardRequest, UpgradeTravelsOnlyForWhoeverAsksForIt) {
    ForwardOptions options = kOptions;
    options.keep_upgrade = true;
    const http::RequestHead head = request({{"Host", "a"}, {"Connection", "Upgrade"}, {"Upgrade", "websocket"}});
    EXPECT_EQ(forwarded(head, options).get("upgrade"), "websocket");
    EXPECT_FALSE(forwarded(head).get("upgrade"));
    EXPECT_FALSE(forwarded(head, options).get("connection"));
}

TEST(ForwardResponse, EndToEndFieldsComeBackWithOurVia) {
    const http::Headers out = forward_response_headers(headers({{"Connection", "a, b"},
                                                                {"a", "1"},
                                                                {"b", "2"},
                                                                {"c", "3"},
                                                                {"Keep-Alive", "x"},
                                                                {"Server", "x"},
                                                                {"Via", "1.1 o"}}),
                                                       "tidegate", {"server"});
    std::string all;
    for (const auto& [name, value] : out.fields()) all.append(name).append("=").append(value).append(";");
    EXPECT_EQ(all, "c=3;Via=1.1 o;Via=1.1 tidegate;");
}

TEST(HopByHop, IsRemovedInPlace) {
    http::Headers h = headers({{"Connection", "X"}, {"X", "1"}, {"Y", "2"}, {"TE", "3"}, {"upgrade", "4"}});
    remove_hop_by_hop(h);
    ASSERT_EQ(h.fields().size(), 1U);
    EXPECT_EQ(h.fields()[0].first, "Y");
    EXPECT_TRUE(is_hop_by_hop("proxy-authentication-info"));
    EXPECT_FALSE(is_hop_by_hop("set-cookie"));
}

}  // namespace
}  // namespace tidegate::cache::rules
