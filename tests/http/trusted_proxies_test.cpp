// Who is believed about a client's address, and how far: proxies that are named, from the right, and no further.
#include "http/trusted_proxies.h"

#include <gtest/gtest.h>
#include <sys/epoll.h>

#include "http/connection_bench.h"

namespace tidegate::http {
namespace {

using Fields = std::initializer_list<std::pair<std::string_view, std::string_view>>;

TrustedProxies proxies(const std::vector<std::string>& networks) {
    auto made = TrustedProxies::parse(networks);
    EXPECT_TRUE(made.has_value());
    return made ? *std::move(made) : TrustedProxies();
}

std::string client(Fields fields) {
    static const TrustedProxies ours = proxies({"10.0.0.0/8", "2001:db8::/32", "192.0.2.7"});
    Headers headers;
    for (const auto& [name, value] : fields) headers.add(name, value);
    return ours.client_of("10.0.0.1", headers);
}

TEST(TrustedProxies, ANetworkIsWhatItsPrefixSays) {
    const TrustedProxies some = proxies({"10.0.0.0/8", "172.16.0.0/12", "2001:db8:f000::/36", "192.0.2.7", "::1"});
    for (const char* in : {"10.255.0.1", "172.16.0.1", "172.31.255.255", "2001:db8:f000::1", "2001:db8:ffff::1",
                           "192.0.2.7", "::1", "::ffff:10.1.2.3"}) {
        EXPECT_TRUE(some.trusts(in)) << in;
    }
    for (const char* out : {"11.0.0.1", "172.32.0.0", "172.15.255.255", "2001:db8:e000::1", "192.0.2.8", "::2",
                            "127.0.0.1", "", "10.0.0.1:80", "nonsense"}) {
        EXPECT_FALSE(some.trusts(out)) << out;
    }
    EXPECT_TRUE(proxies({"0.0.0.0/0"}).trusts("203.0.113.9"));
    EXPECT_FALSE(proxies({"0.0.0.0/0"}).trusts("2001:db8::1"));
    EXPECT_TRUE(proxies({"::/0"}).trusts("2001:db8::1"));
    EXPECT_FALSE(proxies({"::/0"}).trusts("203.0.113.9"));
    EXPECT_TRUE(proxies({"::ffff:10.0.0.0/104"}).trusts("10.9.9.9"));
    EXPECT_TRUE(proxies({}).empty());
}

TEST(TrustedProxies, WhatIsNoNetworkIsRefused) {
    for (const char* text :
         {"", "10.0.0.0/33", "10.0.0.0/", "10.0.0.0/-1", "10.0.0.0/8x", "10.0.0.1/8", "2001:db8::1/32", "::/129",
          "proxy.example", "10.0.0", "10.0.0.0/8/8", "fe80::1%eth0", "*"}) {
        const auto made = TrustedProxies::parse({text});
        ASSERT_FALSE(made.has_value()) << text;
        EXPECT_EQ(made.error().code, ErrorCode::kInvalidArgument);
        EXPECT_TRUE(made.error().message.starts_with("server.trusted_proxies: \"" + std::string(text) + "\""));
    }
}

TEST(TrustedProxies, TheClientIsTheFirstFromTheRightThatIsNotOurs) {
    EXPECT_EQ(client({{"X-Forwarded-For", "203.0.113.9"}}), "203.0.113.9");
    EXPECT_EQ(client({{"X-Forwarded-For", "6.6.6.6, 203.0.113.9"}}), "203.0.113.9");
    EXPECT_EQ(client({{"X-Forwarded-For", "6.6.6.6, 203.0.113.9, 10.2.3.4"}}), "203.0.113.9");
    EXPECT_EQ(client({{"X-Forwarded-For", "6.6.6.6"}, {"X-Forwarded-For", "203.0.113.9,192.0.2.7"}, {"A", "b"}}),
              "203.0.113.9");
    EXPECT_EQ(client({{"X-Forwarded-For", "203.0.113.9:4711"}}), "203.0.113.9");
    EXPECT_EQ(client({{"X-Forwarded-For", "2A00::0:1"}}), "2a00::1");
    EXPECT_EQ(client({{"X-Forwarded-For", "[2a00::1]:443"}}), "2a00::1");
    EXPECT_EQ(client({{"X-Forwarded-For", "::ffff:203.0.113.9"}}), "203.0.113.9");
    // All ours: who stands furthest out.
    EXPECT_EQ(client({{"X-Forwarded-For", "10.9.9.9, 10.2.3.4"}}), "10.9.9.9");
}

TEST(TrustedProxies, WhatIsNoAddressLeavesThePeer) {
    for (const char* text :
         {"unknown", "203.0.113.9:port", "203.0.113.9:99999", "[2a00::1", "[2a00::1]x", "203.0.113.009", "", " , ",
          "6.6.6.6, what", "6.6.6.6, what, 10.2.3.4", "2a00::1%eth0", "\"203.0.113.9\""}) {
        EXPECT_EQ(client({{"X-Forwarded-For", text}}), "10.0.0.1") << text;
    }
    EXPECT_EQ(client({}), "10.0.0.1");
    // But nonsense before the client's address is the client's own, and changes nothing.
    EXPECT_EQ(client({{"X-Forwarded-For", "what, \"open, 203.0.113.9"}}), "203.0.113.9");
}

TEST(TrustedProxies, ForwardedIsReadWhereThereIsNoOther) {
    EXPECT_EQ(client({{"Forwarded", "for=203.0.113.9"}}), "203.0.113.9");
    EXPECT_EQ(client({{"Forwarded", "for=6.6.6.6, proto=https; For=\"203.0.113.9:80\" ;by=10.0.0.1, for=10.2.3.4"}}),
              "203.0.113.9");
    EXPECT_EQ(client({{"Forwarded", "for=\"[2a00::1]:4711\";host=\"a,b;c\""}}), "2a00::1");
    EXPECT_EQ(client({{"Forwarded", "for=\"6.6.6.6, for=203.0.113.9"}}), "203.0.113.9");
    EXPECT_EQ(client({{"Forwarded", "for=6.6.6.6"}, {"X-Forwarded-For", "203.0.113.9"}}), "203.0.113.9");
    for (const char* text : {"for=_hidden", "for=unknown", "proto=https", "for=", "for=\"\"",
                             "for=203.0.113.9;for=6.6.6.6", "203.0.113.9", "for=\"203.0.113.9"}) {
        EXPECT_EQ(client({{"Forwarded", text}}), "10.0.0.1") << text;
    }
}

TEST(TrustedProxies, OnlyAConnectionFromOneOfThemIsAsked) {
    struct Case {
        std::vector<std::string> networks;
        std::string client;
        bool trusted;
    };
    // The bench's peer is 192.0.2.1.
    for (const Case& c : {Case{{}, "192.0.2.1", false}, Case{{"10.0.0.0/8"}, "192.0.2.1", false},
                          Case{{"192.0.2.0/24"}, "203.0.113.9", true}}) {
        const TrustedProxies some = proxies(c.networks);
        Wire wire{.input = get("/", "X-Forwarded-For: 203.0.113.9\r\n") + get("/")};
        Bench bench(wire, {}, &some);
        std::vector<std::pair<std::string, bool>> seen;
        bench.application.handler = [&](const ExchangePtr& exchange) {
            EXPECT_EQ(exchange->head().peer_address, "192.0.2.1");
            seen.emplace_back(exchange->head().client(), exchange->head().peer_trusted);
            exchange->respond({});
        };
        bench.run();
        ASSERT_EQ(seen.size(), 2U);
        EXPECT_EQ(seen[0], std::pair(c.client, c.trusted));
        // The next one of the connection said nothing.
        EXPECT_EQ(seen[1], std::pair(std::string("192.0.2.1"), c.trusted));
    }
}

}  // namespace
}  // namespace tidegate::http
