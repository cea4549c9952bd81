// The command line: settings that stop the start when they are wrong, and the detector without a server.
#include <fstream>
#include <iterator>

#include "system/client.h"

namespace tidegate::testing {
namespace {

TEST(CommandLine, HelpAndVersion) {
    EXPECT_EQ(run_binary({}).status, 0);
    EXPECT_NE(run_binary({"help"}).out.find("tidegate serve"), std::string::npos);
    EXPECT_TRUE(run_binary({"version"}).out.starts_with("tidegate "));
}

TEST(CommandLine, AMisspelledCommandIsNamed) {
    const RunResult run = run_binary({"serv"});
    EXPECT_EQ(run.status, 2);
    EXPECT_NE(run.error.find("did you mean `serve`"), std::string::npos) << run.error;
}

TEST(CommandLine, AnUnknownSettingStopsTheStartAndNamesTheNearest) {
    const RunResult flag = run_binary({"serve", "--server.prot=1"});
    EXPECT_EQ(flag.status, 2);
    EXPECT_NE(flag.error.find("server.port"), std::string::npos) << flag.error;
    const RunResult environment = run_binary({"config", "check"}, "", {"TIDEGATE_SERVER_PROT=1"});
    EXPECT_EQ(environment.status, 2);
    EXPECT_NE(environment.error.find("TIDEGATE_SERVER_PORT"), std::string::npos) << environment.error;
    const TemporaryFolder folder;
    const std::string path = folder.path() + "/tidegate.yaml";
    std::ofstream(path) << "server:\n  port: 1\n  adress: 127.0.0.1\n";
    const RunResult file = run_binary({"config", "check", "--config", path});
    EXPECT_EQ(file.status, 2);
    EXPECT_NE(file.error.find("tidegate.yaml:3"), std::string::npos) << file.error;
    EXPECT_NE(file.error.find("server.address"), std::string::npos) << file.error;
}

TEST(CommandLine, AValueOutOfRangeStopsTheStart) {
    for (const char* flag :
         {"--server.port=70000", "--server.port=x", "--audit.durability=maybe", "--limits.idle_max_s=0"}) {
        EXPECT_EQ(run_binary({"config", "check", flag}).status, 2) << flag;
    }
}

TEST(CommandLine, ShowSaysWhereEachValueComesFrom) {
    const RunResult run = run_binary({"config", "show", "--json", "--server.loops=3"}, "", {"APT_MAX_BATCH_ITEMS=7"});
    ASSERT_EQ(run.status, 0) << run.error;
    const json::Document shown = parse_json(run.out);
    std::string found;
    shown.root().find("settings")->each([&](json::Value setting) {
        const auto name = setting.find("name")->as_string();
        if (name == "server.loops" || name == "provenance.batch_items_max" || name == "data.dir")
            found += to_text(setting) + "\n";
    });
    EXPECT_EQ(found, R"({"name":"server.loops","value":3,"source":"flag --server.loops"})"
                     "\n"
                     R"({"name":"data.dir","value":"data","source":"default"})"
                     "\n"
                     R"({"name":"provenance.batch_items_max","value":7,"source":"environment APT_MAX_BATCH_ITEMS"})"
                     "\n");
}

TEST(CommandLine, DetectReadsFilesAndStandardInput) {
    const TemporaryFolder folder;
    const std::string path = folder.path() + "/walden.txt";
    std::ofstream(path) << kHumanText;
    const RunResult file = run_binary({"detect", "--json", path});
    ASSERT_EQ(file.status, 0) << file.error;
    const RunResult input = run_binary({"detect", "--json"}, std::string(kHumanText));
    ASSERT_EQ(input.status, 0) << input.error;
    const auto confidence = [](const std::string& text) {
        return parse_json(text).root().find("confidence")->as_double();
    };
    EXPECT_EQ(confidence(file.out), confidence(input.out));
    EXPECT_NE(run_binary({"detect", path}).out.find("P(machine)"), std::string::npos);
}

TEST(CommandLine, DetectAndTheServerAgree) {
    const TemporaryFolder folder;
    auto server = ServerProcess::start(folder.path());
    ASSERT_NE(server, nullptr);
    const json::Document served = parse_json(post(server->port(), "/api/v1/detect/text", text_body(kHumanText)).body);
    const json::Document printed = parse_json(run_binary({"detect", "--json"}, std::string(kHumanText)).out);
    for (const char* member : {"confidence", "log_odds", "decision_band", "signals", "segments", "model_version"}) {
        EXPECT_EQ(to_text(*served.root().find(member)), to_text(*printed.root().find(member))) << member;
    }
}

TEST(CommandLine, DetectRefusesWhatTheServerRefuses) {
    EXPECT_EQ(run_binary({"detect"}, "").status, 1);
    EXPECT_EQ(run_binary({"detect"}, "\xff\xfe").status, 1);
    EXPECT_EQ(run_binary({"detect"}, std::string(50'001, 'a')).status, 1);
    EXPECT_EQ(run_binary({"detect", "/nowhere/at/all"}).status, 1);
    EXPECT_EQ(run_binary({"detect", "--jsno"}).status, 2);
}

TEST(CommandLine, EvalMeasuresAndStoresItsNumbers) {
    const TemporaryFolder folder;
    const std::string data = folder.path() + "/labelled.jsonl";
    std::ofstream file(data);
    for (int i = 0; i < 20; ++i) {
        file << R"({"id":")" << i << R"(","label":")" << (i % 2 == 0 ? "human" : "ai") << R"(",)"
             << text_body(kHumanText).substr(1) << "\n";
    }
    file.close();
    const std::string out = folder.path() + "/result.json";
    const RunResult run = run_binary({"eval", "text", "--data", data, "--out", out});
    ASSERT_EQ(run.status, 0) << run.error;
    std::ifstream stored(out);
    const std::string text((std::istreambuf_iterator<char>(stored)), std::istreambuf_iterator<char>());
    const json::Document result = parse_json(text);
    EXPECT_EQ(result.root().find("samples")->as_int(), 20);
    for (const char* bad : {"{\"label\":\"human\"}", "not json", "{\"text\":\"a\",\"label\":\"robot\"}"}) {
        std::ofstream(data) << bad << "\n";
        const RunResult refused = run_binary({"eval", "text", "--data", data, "--out", out});
        EXPECT_EQ(refused.status, 1) << bad;
        EXPECT_NE(refused.error.find("line 1"), std::string::npos) << refused.error;
    }
    EXPECT_EQ(run_binary({"eval", "text"}).status, 2);
    EXPECT_EQ(run_binary({"eval", "text", "--data", "/nowhere"}).status, 1);
}

TEST(CommandLine, OpenapiPrintsWhatTheServerServes) {
    const TemporaryFolder folder;
    auto server = ServerProcess::start(folder.path());
    ASSERT_NE(server, nullptr);
    EXPECT_EQ(run_binary({"openapi"}).out, get(server->port(), "/openapi.json").body + "\n");
}

}  // namespace
}  // namespace tidegate::testing
