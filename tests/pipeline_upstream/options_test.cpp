#include "pipeline/upstream/options.h"

#include <gmock/gmock.h>

#include "pipeline/upstream/settings.h"
#include "pipeline_upstream/support.h"

namespace tidegate::upstream {
namespace {

using testing::HasSubstr;

UpstreamOptions good() {
    UpstreamOptions options;
    options.name = "app";
    options.targets = {{"http://127.0.0.1:9000", 1}, {"https://model.internal:8443", 3}};
    return options;
}

TEST(UpstreamOptionsTest, TheDefaultsAreGoodAndMakeTargets) {
    UpstreamOptions options = good();
    options.tls.ca_file = "ca.pem";
    ASSERT_TRUE(check(options));
    const auto targets = targets_of(options);
    ASSERT_TRUE(targets);
    ASSERT_EQ(targets->size(), 2U);
    EXPECT_EQ((*targets)[0].origin.port, 9000);
    EXPECT_EQ((*targets)[1].weight, 3U);
    EXPECT_TRUE((*targets)[1].origin.tls);
    EXPECT_EQ((*targets)[1].origin.ca_file, "ca.pem");
    EXPECT_FALSE(pool_options(options).balance.round_robin);
    options.connections.connections_max = 7;
    EXPECT_EQ(client_options(options).connections_max, 7U);
    EXPECT_EQ(client_options(options).idle_connections_max, 7U);
    options.balance = "round_robin";
    EXPECT_TRUE(pool_options(options).balance.round_robin);
}

TEST(UpstreamOptionsTest, LinkLocalAddressesAreKnownInEverySpelling) {
    for (const char* host : {"169.254.169.254",
                             "169.254.0.1",
                             "2852039166",
                             "0xa9fea9fe",
                             "0xA9.0xFE.169.254",
                             "0251.0376.0251.0376",
                             "169.16689662",
                             "::ffff:169.254.169.254",
                             "::ffff:a9fe:a9fe",
                             "::169.254.169.254",
                             "64:ff9b::a9fe:a9fe",
                             "fe80::1",
                             "fe80::1%eth0",
                             "febf::1",
                             "fd00:ec2::254",
                             "[fe80::1]",
                             "metadata.google.internal",
                             "METADATA",
                             "metadata.google.internal.",
                             "169.254.169.254."}) {
        EXPECT_TRUE(is_link_local(host)) << host;
    }
    for (const char* host : {"127.0.0.1", "169.253.1.1", "10.0.0.1", "::1", "fec0::1", "fd00::1", "example.org",
                             "metadata.example.org", "169.254.169.254.example.org", ""}) {
        EXPECT_FALSE(is_link_local(host)) << host;
    }
}

TEST(UpstreamOptionsTest, MetadataIsRefusedUnlessAllowed) {
    UpstreamOptions options = good();
    options.targets[0].url = "http://169.254.169.254";
    const auto refused = check(options);
    ASSERT_FALSE(refused);
    EXPECT_THAT(refused.error().message, HasSubstr("allow_link_local"));
    options.allow_link_local = true;
    EXPECT_TRUE(check(options));
}

struct BadCase {
    const char* words;
    void (*change)(UpstreamOptions&);
};

TEST(UpstreamOptionsTest, WhatIsWrongIsSaidInWords) {
    const std::vector<BadCase> cases{
        {"it has no targets", [](UpstreamOptions& o) { o.targets.clear(); }},
        {"a name is", [](UpstreamOptions& o) { o.name = "my app"; }},
        {"user name", [](UpstreamOptions& o) { o.targets[0].url = "http://user:secret@host"; }},
        {"path or query", [](UpstreamOptions& o) { o.targets[0].url = "http://host/path"; }},
        {"neither http nor https", [](UpstreamOptions& o) { o.targets[0].url = "ftp://host"; }},
        {"stands there twice", [](UpstreamOptions& o) { o.targets[1].url = o.targets[0].url; }},
        {"more than 64", [](UpstreamOptions& o) { o.targets.resize(65, {"http://a", 1}); }},
        {"breaker.calls_min", [](UpstreamOptions& o) { o.pool.breaker.calls_min = 101; }},
        {"breaker.open_s", [](UpstreamOptions& o) { o.pool.breaker.open_for = std::chrono::hours(1); }},
        {"health.path", [](UpstreamOptions& o) { o.health.path = "health"; }},
        {"health.path", [](UpstreamOptions& o) { o.health.path = "/a b"; }},
        {"health.status_min",
         [](UpstreamOptions& o) { o.health = {.path = "/", .status_min = 300, .status_max = 200}; }},
        {"retries.backoff_ms", [](UpstreamOptions& o) { o.retry.backoff_base = seconds(1); }},
        {"admission.concurrency_min",
         [](UpstreamOptions& o) { o.admission = {.concurrency_max = 10, .adaptive = true, .concurrency_min = 11}; }},
        {"admission.wait_target_ms", [](UpstreamOptions& o) { o.admission.wait_target = minutes(1); }}};
    for (const BadCase& one : cases) {
        UpstreamOptions options = good();
        one.change(options);
        const auto checked = check(options);
        ASSERT_FALSE(checked) << one.words;
        EXPECT_THAT(checked.error().message, HasSubstr(one.words));
        EXPECT_THAT(checked.error().message, testing::Not(HasSubstr("secret")));
    }
}

struct Settings {
    std::vector<UpstreamOptions> upstreams;
    std::vector<BatchSettings> batches;
    AdmissionSettings admission;
};

TEST(UpstreamOptionsTest, TheDeclarationsAgreeWithThemselves) {
    Settings settings;
    settings::Table table;
    table.group("upstreams", "Upstreams");
    table.list("upstreams", settings.upstreams, declare_upstream, "Pools of servers behind this one.", "name");
    table.list("batches", settings.batches, declare_batch, "Merging.");
    declare(table, settings.admission);
    table.check();
    // Each element's declarations are bound to the element, with defaults that lie in their ranges.
    auto tables = table.find_list("upstreams")->make(2);
    ASSERT_EQ(tables.size(), 2U);
    EXPECT_EQ(settings.upstreams.size(), 2U);
    EXPECT_NE(tables[1].find("upstreams[1].breaker.open_s"), nullptr);
    EXPECT_EQ(table.find_list("batches")->make(1).size(), 1U);
}

}  // namespace
}  // namespace tidegate::upstream
