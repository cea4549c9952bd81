// What deploy/ gives Prometheus and Grafana: sound by promtool, and about metrics that this server has.
#include <cctype>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <set>

#include "system/gate.h"

namespace tidegate::testing {
namespace {

std::string deploy_folder() {
    const char* const root = std::getenv("TIDEGATE_SOURCE_DIR");
    return std::string(root == nullptr ? "." : root) + "/deploy";
}

std::string read(const std::filesystem::path& path) {
    std::ifstream file(path);
    return {std::istreambuf_iterator<char>(file), {}};
}

bool has_promtool() {
    return run_program("bash", {"-c", "command -v promtool"}).status == 0;
}

/// Every word that is a metric's name, without those that the rules make themselves (they have a colon).
std::set<std::string> metrics_of(const std::string& text) {
    std::set<std::string> names;
    for (std::size_t at = 0; at < text.size();) {
        const auto is_part = [&](std::size_t i) {
            return i < text.size() &&
                   (std::isalnum(static_cast<unsigned char>(text[i])) != 0 || text[i] == '_' || text[i] == ':');
        };
        if (!is_part(at)) {
            ++at;
            continue;
        }
        std::size_t end = at;
        while (is_part(end)) ++end;
        const std::string word = text.substr(at, end - at);
        at = end;
        const bool ours = word.starts_with("tidegate_") || word.starts_with("http_request") ||
                          word.starts_with("http_response") || word.starts_with("process_");
        if (ours && word.find(':') == std::string::npos) names.insert(word);
    }
    return names;
}

class WhatPrometheusGets : public GateFixture {};

TEST_F(WhatPrometheusGets, EveryMetricOfTheRulesAndDashboardsIsMeasured) {
    upstream_.on("/app/x", 200, "answer");
    const auto server = start(settings("  app: {path: \"/app/{rest...}\", upstream: app}\n"));
    ASSERT_NE(server, nullptr);
    EXPECT_EQ(get(server->port(), "/app/x").status, 200);
    EXPECT_EQ(post(server->port(), "/api/v1/detect/text", text_body(kHumanText)).status, 200);
    // A request is counted when its answer is out: a moment later.
    const std::string metrics =
        ask_until([&] { return get(server->port(), "/metrics").body; },
                  [](const std::string& text) {
                      return text.contains("http_requests_total{method=\"POST\",handler=\"/api/v1/detect/text\"");
                  });
    ASSERT_FALSE(metrics.empty());
    std::set<std::string> files;
    for (const char* folder : {"/prometheus", "/grafana"}) {
        for (const auto& entry : std::filesystem::directory_iterator(deploy_folder() + folder))
            files.insert(entry.path());
    }
    EXPECT_GE(files.size(), 5U);
    std::set<std::string> all;
    for (const std::string& file : files) {
        for (const std::string& name : metrics_of(read(file))) {
            all.insert(name);
            const bool is_there = metrics.find("\n" + name + "{") != std::string::npos ||
                                  metrics.find("\n" + name + " ") != std::string::npos;
            EXPECT_TRUE(is_there) << file << " names " << name << ", which /metrics does not have";
        }
    }
    EXPECT_GE(all.size(), 30U) << "the names were not found in the files";
}

TEST_F(WhatPrometheusGets, PromtoolFindsNothingWrong) {
    if (!has_promtool()) GTEST_SKIP() << "promtool is not installed (Debian: prometheus)";
    const std::string folder = deploy_folder() + "/prometheus/";
    for (const auto& [verb, file] :
         {std::pair("check config", "prometheus.yml"), std::pair("check rules", "tidegate.rules.yml"),
          std::pair("test rules", "tidegate.rules.test.yml")}) {
        const RunResult run = run_program("bash", {"-c", "cd '" + folder + "' && promtool " + verb + " " + file});
        EXPECT_EQ(run.status, 0) << verb << "\n" << run.out << run.error;
    }
    upstream_.on("/app/x", 200, "answer");
    const auto server = start(settings("  app: {path: \"/app/{rest...}\", upstream: app}\n"));
    ASSERT_NE(server, nullptr);
    get(server->port(), "/app/x");
    post(server->port(), "/api/v1/detect/text", text_body(kHumanText));
    const std::string path = folder_.path() + "/metrics.txt";
    std::ofstream(path) << get(server->port(), "/metrics").body;
    const RunResult run = run_program("bash", {"-c", "promtool check metrics < '" + path + "'"});
    EXPECT_EQ(run.status, 0) << run.out << run.error;
}

TEST(Dashboards, AreJsonWithExpressionsInEveryPanel) {
    int panels = 0;
    for (const auto& entry : std::filesystem::directory_iterator(deploy_folder() + "/grafana")) {
        if (entry.path().extension() != ".json") continue;
        const json::Document dashboard = parse_json(read(entry.path()));
        dashboard.root().find("panels")->each([&](json::Value panel) {
            ++panels;
            EXPECT_FALSE(panel.find("title")->as_string().empty());
            EXPECT_GT(panel.find("targets")->size(), 0U) << panel.find("title")->as_string();
        });
    }
    EXPECT_GE(panels, 20);
}

}  // namespace
}  // namespace tidegate::testing
