// Lists of groups: what an element takes, how it is named in messages, `config show` and the reference.
#include <gmock/gmock.h>

#include "base/json.h"
#include "base/strings.h"
#include "fixture.h"

namespace tidegate::settings {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using namespace std::chrono_literals;

struct Target {
    std::string url;
    std::uint32_t weight = 0;
};
struct Upstream {
    std::string name;
    Duration connect_max{};
    std::uint64_t body_bytes_max = 0;
    std::string balance;
    Secret token;
    std::vector<std::string> hosts;
    std::vector<Target> targets{{"left from before", 9}};
};
struct Rule {
    std::string rate;
};
struct ProxySettings {
    bool on = false;
    std::vector<Rule> rules;
    std::vector<Upstream> upstreams;
};

Result<void> check_rate(std::string_view text) {
    if (text.find('/') != std::string_view::npos) return {};
    return fail(ErrorCode::kInvalidArgument, "a rate is COUNT/PERIOD");
}

void declare_target(Table& t, Target& target) {
    t.add("url", target.url, "").required().doc("Where to.");
    t.add("weight", target.weight, 1).range(1, 1000).doc("Share of the requests.");
}

void declare_upstream(Table& t, Upstream& u) {
    t.add("name", u.name, "").doc("Name by which routes call it.");
    t.add("timeout.connect_ms", u.connect_max, 1s).range(1ms, 1min).doc("Longest wait for a connection.");
    t.add("body_bytes_max", u.body_bytes_max, 1024).range(0, 1U << 20U).bytes().doc("Largest body.");
    t.add("balance", u.balance, "least").choices({"least", "weighted"}).doc("Who gets the next request.");
    t.add("token", u.token).doc("Sent along.");
    t.add("hosts", u.hosts, {}).doc("Names it serves.");
    t.list("targets", u.targets, declare_target, "The servers of the pool.");
}

void declare_rule(Table& t, Rule& rule) {
    t.add("rate", rule.rate, "10/s").check(check_rate, "COUNT/PERIOD").doc("How many, how fast.");
}

class Lists : public SettingsTest {
  protected:
    Lists() {
        table_.group("limits", "Limits.");
        table_.add("limits.on", proxy_.on, false).doc("Limit at all.");
        table_.list("limits.rules", proxy_.rules, declare_rule, "Rules, all of which hold.");
        table_.list("upstreams", proxy_.upstreams, declare_upstream, "Pools of servers.", "name");
    }

    std::string fault_of(std::string yaml) { return message_of(load_yaml(std::move(yaml))); }

    ProxySettings proxy_;
};

TEST_F(Lists, AreEmptyUnlessTheFileFillsThem) {
    proxy_.rules.resize(3);
    const auto resolved = load_environment({});
    ASSERT_TRUE(resolved) << message_of(resolved);
    EXPECT_THAT(proxy_.rules, IsEmpty());
    EXPECT_EQ(resolved->find("limits.rules")->value, "empty");
    EXPECT_EQ(resolved->find("limits.rules")->source, "default");
    EXPECT_TRUE(load_yaml("upstreams: []\nlimits:\n  rules:\n")) << "an empty list is no mistake";
}

TEST_F(Lists, EveryTypeOfSettingIsReadInAnElement) {
    const auto resolved = load_yaml(
        "upstreams:\n"
        "  - name: app\n    timeout: {connect_ms: 2s}\n    body_bytes_max: 64KiB\n    balance: weighted\n    token: "
        "hush\n"
        "    hosts: [a.example, b.example]\n"
        "    targets: [{url: 'http://a:1', weight: 3}, {url: 'http://b:1'}]\n"
        "  - name: other\n    timeout.connect_ms: 5\n");
    ASSERT_TRUE(resolved) << message_of(resolved);
    ASSERT_EQ(proxy_.upstreams.size(), 2U);
    const Upstream& app = proxy_.upstreams[0];
    EXPECT_EQ(app.name, "app");
    EXPECT_EQ(app.connect_max, 2s);
    EXPECT_EQ(app.body_bytes_max, 65536U);
    EXPECT_EQ(app.balance, "weighted");
    EXPECT_EQ(app.token.reveal(), "hush");
    EXPECT_THAT(app.hosts, ElementsAre("a.example", "b.example"));
    ASSERT_EQ(app.targets.size(), 2U);
    EXPECT_EQ(app.targets[0].url, "http://a:1");
    EXPECT_EQ(app.targets[0].weight, 3U);
    EXPECT_EQ(app.targets[1].weight, 1U) << "the default of a nested element";
    const Upstream& other = proxy_.upstreams[1];
    EXPECT_EQ(other.connect_max, 5ms);
    EXPECT_EQ(other.balance, "least");
    EXPECT_THAT(other.targets, IsEmpty()) << "what the struct itself began with does not count";
}

TEST_F(Lists, AMapByTheKeyEqualsTheSequence) {
    ASSERT_TRUE(load_yaml("upstreams: {app: {targets: [{url: x}]}, idle: }\n"));
    ASSERT_EQ(proxy_.upstreams.size(), 2U);
    EXPECT_EQ(proxy_.upstreams[0].name, "app");
    EXPECT_EQ(proxy_.upstreams[0].targets.size(), 1U);
    EXPECT_EQ(proxy_.upstreams[1].name, "idle");
    EXPECT_THAT(fault_of("limits.rules: {a: {rate: 1/s}}\n"),
                HasSubstr("tidegate.yaml:1: limits.rules takes a list of groups"));
    EXPECT_THAT(fault_of("upstreams: {app: {name: b}}\n"), HasSubstr("upstreams[0].name is set twice"));
}

TEST_F(Lists, AKeyIsThereNotEmptyAndOnlyOnce) {
    EXPECT_THAT(fault_of("upstreams:\n  - name: a\n  - name: b\n  - name: a\n"),
                HasSubstr("tidegate.yaml:4: upstreams[2].name: \"a\" is taken at tidegate.yaml:2"));
    EXPECT_THAT(fault_of("upstreams:\n  - name: ''\n"), HasSubstr("upstreams[0].name: it may not be empty"));
    EXPECT_THAT(fault_of("upstreams:\n  - name: a\n  - balance: least\n"),
                HasSubstr("tidegate.yaml:3: upstreams[1].name is not set, and has no default"));
    EXPECT_THAT(fault_of("upstreams: {a: {balance: least}, a: {balance: least}}\n"), HasSubstr("\"a\" is taken"));
}

TEST_F(Lists, AnUnknownNameInAnElementHasItsPathItsLineAndTheNearestName) {
    EXPECT_THAT(
        fault_of("upstreams:\n  - name: a\n  - name: b\n    balanse: least\n"),
        HasSubstr("tidegate.yaml:4: upstreams[1].balanse is not a setting; did you mean upstreams[1].balance?"));
    EXPECT_THAT(fault_of("upstreams:\n  - name: a\n    timeout:\n      conect_ms: 1\n"),
                HasSubstr("tidegate.yaml:4: upstreams[0].timeout.conect_ms is not a setting; did you mean "
                          "upstreams[0].timeout.connect_ms?"));
    EXPECT_THAT(fault_of("upstreams:\n  - name: a\n    connect_ms: 1\n"),
                HasSubstr("did you mean upstreams[0].timeout.connect_ms?"));
    EXPECT_THAT(fault_of("upstreams:\n  - name: a\n    targets:\n      - url: x\n        weigth: 1\n"),
                HasSubstr("tidegate.yaml:5: upstreams[0].targets[0].weigth is not a setting; did you mean "
                          "upstreams[0].targets[0].weight?"));
    EXPECT_THAT(fault_of("upstreams:\n  - name: a\n    server.port: 1\n"),
                HasSubstr("upstreams[0].server.port is not a setting"))
        << "an element does not see the settings outside";
    EXPECT_THAT(fault_of("upstrems:\n  app:\n    balance: least\n"),
                AllOf(HasSubstr("tidegate.yaml:1: upstrems is not a setting; did you mean upstreams?"),
                      Not(HasSubstr("balance"))));
    EXPECT_THAT(fault_of("limits:\n  rule:\n    - rate: 1/s\n"), HasSubstr("did you mean limits.rules?"));
}

TEST_F(Lists, AWrongValueInAnElementHasItsPathAndItsLine) {
    EXPECT_THAT(
        fault_of("upstreams:\n  - name: a\n    timeout:\n      connect_ms: 2h\n"),
        HasSubstr("tidegate.yaml:4: upstreams[0].timeout.connect_ms: \"2h\" is not a duration from 1 to 60000 ms"));
    EXPECT_THAT(fault_of("upstreams:\n  - {name: a, balance: fair}\n"),
                HasSubstr("upstreams[0].balance: \"fair\" is not one of least, weighted"));
    EXPECT_THAT(fault_of("upstreams:\n  - {name: a, balance: [x]}\n"),
                HasSubstr("upstreams[0].balance: a list is not"));
    EXPECT_THAT(fault_of("upstreams:\n  - {name: a, balance: least, balance: least}\n"),
                HasSubstr("upstreams[0].balance is set twice"));
    EXPECT_THAT(fault_of("upstreams:\n  - {name: a, hosts: {x: y}}\n"), HasSubstr("upstreams[0].hosts takes a value"));
    EXPECT_THAT(fault_of("upstreams:\n  - app\n"), HasSubstr("upstreams[0] takes a group of settings"));
    EXPECT_THAT(fault_of("upstreams:\n  - name: a\n  -\n"), HasSubstr("upstreams[1] takes a group of settings"));
    EXPECT_THAT(fault_of("upstreams: 5\n"),
                HasSubstr("tidegate.yaml:1: upstreams takes a list of groups, or a map by `name`"));
    EXPECT_THAT(fault_of("upstreams:\n  - name: a\n    targets:\n      - weight: 2\n"),
                HasSubstr("tidegate.yaml:4: upstreams[0].targets[0].url is not set, and has no default"));
}

TEST_F(Lists, ACheckSaysWhatItWants) {
    EXPECT_THAT(fault_of("limits:\n  rules:\n    - rate: 5/s\n    - rate: fast\n"),
                HasSubstr("tidegate.yaml:4: limits.rules[1].rate: \"fast\": a rate is COUNT/PERIOD"));
    ASSERT_TRUE(load_yaml("limits.rules: [{rate: 5/s}, {}]\n"));
    EXPECT_EQ(proxy_.rules.at(0).rate, "5/s");
    EXPECT_EQ(proxy_.rules.at(1).rate, "10/s");
}

TEST_F(Lists, AListMayAppearOnce) {
    EXPECT_THAT(fault_of("limits.rules: []\nlimits:\n  rules: [{rate: 1/s}]\n"),
                HasSubstr("tidegate.yaml:3: limits.rules is set twice; it is set already at tidegate.yaml:1"));
}

TEST_F(Lists, ComeFromTheFileOnly) {
    const std::string why = "upstreams is a list of groups and comes from the file only";
    EXPECT_THAT(message_of(load_environment({{"TIDEGATE_UPSTREAMS", "a"}})), HasSubstr(why));
    EXPECT_THAT(message_of(load_environment({{"TIDEGATE_UPSTREAMS_0_NAME", "a"}})), HasSubstr(why));
    EXPECT_THAT(message_of(load_flags({{"upstreams[0].name", "a"}})), HasSubstr(why));
    for (const std::string word : {"--upstreams", "--upstreams=a", "--upstreams.app.balance=least"}) {
        const auto arguments = split_arguments(table_, std::vector<std::string>{word, "x"});
        ASSERT_FALSE(arguments) << word;
        EXPECT_THAT(arguments.error().message, HasSubstr(why));
    }
}

TEST_F(Lists, ShowPrintsEveryElementWithItsSourceAndNoSecret) {
    const auto resolved =
        load_yaml("upstreams:\n  - name: app\n    token: hush-hush\n    targets:\n      - url: x\n  - name: b\n");
    ASSERT_TRUE(resolved) << message_of(resolved);
    const std::string table = render_table(*resolved);
    EXPECT_THAT(table, testing::ContainsRegex("upstreams +2 elements +tidegate.yaml:1\n"));
    EXPECT_THAT(table, testing::ContainsRegex("upstreams\\[0\\]\\.name +app +tidegate.yaml:2\n"));
    EXPECT_THAT(table, testing::ContainsRegex("upstreams\\[0\\]\\.token +set +tidegate.yaml:3\n"));
    EXPECT_THAT(table, testing::ContainsRegex("upstreams\\[0\\]\\.balance +least +default\n"));
    EXPECT_THAT(table, testing::ContainsRegex("upstreams\\[0\\]\\.targets\\[0\\]\\.url +x +tidegate.yaml:5\n"));
    EXPECT_THAT(table, testing::ContainsRegex("upstreams\\[1\\]\\.targets +empty +default\n"));
    EXPECT_THAT(table + render_json(*resolved), Not(HasSubstr("hush-hush")));
    EXPECT_TRUE(json::parse(render_json(*resolved)));
    // 11 of the fixture, limits.on, two lists; seven names in each upstream, two in the one target.
    EXPECT_EQ(render_check(*resolved), "the settings are valid: 30 known, 6 set, 24 at their default");
}

TEST_F(Lists, TheReferenceHasASectionForEachListWithItsElement) {
    const std::string reference = render_reference(table_);
    EXPECT_THAT(reference, HasSubstr("\n### `limits.rules`\n\nRules, all of which hold.\n"));
    EXPECT_THAT(reference, HasSubstr("\n## upstreams\n"));
    EXPECT_THAT(reference, HasSubstr("a map gives each member's name to `name`"));
    EXPECT_THAT(reference, HasSubstr("| `rate` | How many, how fast. | text |  | COUNT/PERIOD | `10/s` |\n"));
    EXPECT_THAT(reference, HasSubstr("| `timeout.connect_ms` | Longest wait for a connection. | duration | ms | "));
    EXPECT_THAT(reference, HasSubstr("\n### `upstreams[N].targets`\n"));
    EXPECT_THAT(reference, HasSubstr("| `url` | Where to. | text |  |  | required |\n"));
}

TEST_F(Lists, AFileOfTooManyElementsIsRefusedAndNotReadInPart) {
    std::string yaml = "limits.rules:\n";
    for (int i = 0; i < 10'001; ++i) yaml += "- {}\n";
    EXPECT_THAT(fault_of(yaml), HasSubstr("tidegate.yaml:1: the file holds more than 10000 values or list elements"));
    yaml = "x: &x [{url: a}, {url: a}, {url: a}, {url: a}]\nupstreams:\n";
    for (int i = 0; i < 4'000; ++i) yaml += "- {name: n" + std::to_string(i) + ", targets: *x}\n";
    EXPECT_THAT(fault_of(yaml), HasSubstr("more than 10000 values"));
}

using ListsDeath = Lists;

TEST_F(ListsDeath, AContradictoryDeclarationEndsTheProcess) {
    std::vector<Rule> rules;
    EXPECT_DEATH(
        {
            table_.list("more", rules, [](Table& t, Rule& r) { t.add("rate", r.rate, "x").flag("r").doc("d"); }, "d");
            table_.check();
        },
        "more\\[N\\]\\.rate is wrong: an element's setting");
    EXPECT_DEATH(
        {
            table_.list("more", rules, declare_rule, "d", "name");
            table_.check();
        },
        "more is wrong: its key");
    EXPECT_DEATH(
        {
            table_.list(
                "more", rules, [](Table& t, Rule& r) { t.add("rate", r.rate, "slow").check(check_rate).doc("d"); },
                "d");
            table_.check();
        },
        "a rate is COUNT/PERIOD");
}

}  // namespace
}  // namespace tidegate::settings
