#include <gmock/gmock.h>

#include "base/json.h"
#include "fixture.h"

namespace tidegate::settings {
namespace {

using testing::HasSubstr;
using testing::Not;

class Render : public SettingsTest {};

TEST_F(Render, ShowNamesValueAndSourceAndNoSecret) {
    const auto resolved = load_environment({{"OTEL_KEY", "hush-hush"}, {"TIDEGATE_SERVER_PORT", "81"}});
    ASSERT_TRUE(resolved) << message_of(resolved);
    const std::string table = render_table(*resolved);
    EXPECT_THAT(table, testing::ContainsRegex("server\\.port +81 +environment TIDEGATE_SERVER_PORT\n"));
    EXPECT_THAT(table, testing::ContainsRegex("observe\\.key +set +environment OTEL_KEY\n"));
    EXPECT_THAT(table, testing::ContainsRegex("observe\\.origins +a,b +default\n"));
    EXPECT_THAT(table, Not(HasSubstr("hush-hush")));
    EXPECT_THAT(render_json(*resolved), Not(HasSubstr("hush-hush")));
    EXPECT_EQ(render_check(*resolved), "the settings are valid: 11 known, 2 set, 9 at their default");
}

TEST_F(Render, AnAbsentSecretIsNotSet) {
    const auto resolved = load_environment({});
    ASSERT_TRUE(resolved);
    EXPECT_EQ(resolved->find("observe.key")->value, "not set");
}

TEST_F(Render, JsonKeepsTheTypes) {
    const auto resolved = load_flags({{"server.idle_max_s", "1500ms"}});
    ASSERT_TRUE(resolved) << message_of(resolved);
    const auto document = json::parse(render_json(*resolved));
    ASSERT_TRUE(document);
    std::map<std::string, json::Value> values;
    document->root().find("settings")->each([&](json::Value setting) {
        values.emplace(setting.find("name")->as_string(), *setting.find("value"));
    });
    EXPECT_EQ(values.at("server.port").as_int(), 8000);
    EXPECT_EQ(values.at("server.idle_max_s").as_double(), 1.5);
    EXPECT_TRUE(values.at("observe.metrics").as_bool());
    EXPECT_EQ(values.at("observe.origins").size(), 2U);
    EXPECT_EQ(values.at("observe.key").as_string(), "not set");
}

TEST_F(Render, TheDescriptionSaysWhatEachSettingIsAndNoSecret) {
    const auto resolved = load_environment({{"OTEL_KEY", "hush-hush"}, {"TIDEGATE_SERVER_PORT", "81"}});
    ASSERT_TRUE(resolved) << message_of(resolved);
    const std::string text = render_described(table_, *resolved);
    EXPECT_THAT(text, Not(HasSubstr("hush-hush")));
    const auto document = json::parse(text);
    ASSERT_TRUE(document);
    std::map<std::string, json::Value> found;
    document->root().find("settings")->each([&](json::Value setting) {
        found.emplace(setting.find("name")->as_string(), setting);
    });
    ASSERT_EQ(found.size(), resolved->settings().size());
    const json::Value port = found.at("server.port");
    EXPECT_EQ(port.find("value")->as_int(), 81);
    EXPECT_EQ(port.find("default")->as_string(), "8000");
    EXPECT_EQ(port.find("source")->as_string(), "environment TIDEGATE_SERVER_PORT");
    EXPECT_EQ(port.find("range")->as_string(), "0 to 65535");
    EXPECT_EQ(port.find("doc")->as_string(), "TCP port; 0 lets the kernel choose.");
    EXPECT_EQ(found.at("observe.key").find("value")->as_string(), "set");
    EXPECT_EQ(found.at("observe.key").find("default")->as_string(), "not set");
    EXPECT_EQ(document->root().find("groups")->size(), 2U);
}

TEST_F(Render, TheDescriptionShowsOfAUrlThePlaceAndOfAFieldForAnUpstreamThatItIsSet) {
    struct Field {
        std::string name;
        std::string value;
    };
    std::string hook;
    std::string plain;
    std::vector<Field> fields;
    table_.group("hooks", "Who is told.");
    table_.add("hooks.url", hook, "").doc("Where to.");
    table_.add("hooks.other.url", plain, "http://10.0.0.1:80/").doc("Where to.");
    table_.list(
        "request_headers", fields,
        [](Table& table, Field& field) {
            table.add("name", field.name, "").doc("Name.");
            table.add("value", field.value, "").doc("Value.");
        },
        "Fields.");
    const auto resolved = load_yaml(
        "hooks: {url: 'https://chat.example:8443/services/T0/hush-hush?k=hush-hush'}\n"
        "request_headers: [{name: Authorization, value: Bearer hush-hush}, {name: Cookie, value: ''}]\n");
    ASSERT_TRUE(resolved) << message_of(resolved);
    const std::string text = render_described(table_, *resolved);
    EXPECT_THAT(text, Not(HasSubstr("hush-hush")));
    std::map<std::string, std::string> values;
    const auto document = json::parse(text);
    ASSERT_TRUE(document);
    document->root().find("settings")->each([&](json::Value setting) {
        const json::Value value = *setting.find("value");
        if (value.kind() == json::Kind::kString) {
            values.emplace(setting.find("name")->as_string(), value.as_string());
        }
    });
    EXPECT_EQ(values.at("hooks.url"), "https://chat.example:8443/...");
    EXPECT_EQ(values.at("hooks.other.url"), "http://10.0.0.1:80/");
    EXPECT_EQ(values.at("request_headers[0].name"), "Authorization");
    EXPECT_EQ(values.at("request_headers[0].value"), "set");
    EXPECT_EQ(values.at("request_headers[1].value"), "");
}

TEST_F(Render, WhatShowPrintsCanBeLoadedAgain) {
    const auto first = load_flags(
        {{"server.idle_max_s", "1234ms"}, {"observe.sample_rate", "0.1"}, {"observe.origins", "p,q"}, {"port", "7"}});
    ASSERT_TRUE(first) << message_of(first);
    std::vector<NameValue> again;
    for (const auto& setting : first->settings()) {
        if (setting.name != "observe.key") again.emplace_back(setting.name, setting.value);
    }
    const auto second = load_flags(again);
    ASSERT_TRUE(second) << message_of(second);
    for (const auto& setting : first->settings()) EXPECT_EQ(second->find(setting.name)->value, setting.value);
}

TEST_F(Render, TheReferenceHasARowForEverySetting) {
    const std::string reference = render_reference(table_);
    for (const Entry& entry : table_.entries()) EXPECT_THAT(reference, HasSubstr("\n| `" + entry.name + "` | "));
    EXPECT_THAT(reference,
                HasSubstr("| `server.port` | TCP port; 0 lets the kernel choose. | integer |  | 0 to 65535 | "
                          "`8000` | `TIDEGATE_SERVER_PORT` | `--port` |\n"));
    EXPECT_THAT(reference, HasSubstr("| duration | s | 1 to 3600 | `60` |"));
    EXPECT_THAT(reference, HasSubstr("| secret |  |  | not set |"));
}

}  // namespace
}  // namespace tidegate::settings
