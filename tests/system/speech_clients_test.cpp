// OpenAI's own packages for Python and Node.js, unchanged, against the speech service.
#include "system/speech.h"

namespace tidegate::testing {
namespace {

class SpeechClients : public SpeechService {
  protected:
    void SetUp() override {
        SpeechService::SetUp();
        if (IsSkipped()) return;
        const char* const source = std::getenv("TIDEGATE_SOURCE_DIR");  // NOLINT(concurrency-mt-unsafe)
        source_ = source != nullptr ? source : ".";
        environment_ = source_ + "/build/inference-clients";
        // A run may take a minute at most; what was fetched stays, so a slow line gets on from turn to turn.
        RunResult fetched{.status = 2};
        for (int turn = 0; turn < 5 && fetched.status != 0 && fetched.status != 1; ++turn) {
            fetched = run_program("bash", {source_ + "/tests/clients/fetch.sh", environment_});
        }
        if (fetched.status != 0) GTEST_SKIP() << "the clients cannot be had: " << fetched.out;
        const RunResult made = run_binary({"keys", "create", "--name", "clients", "--scope", "speech:transcribe",
                                           "--json", "--data-dir", folder_.path()});
        ASSERT_EQ(made.status, 0) << made.error;
        key_ = parse_json(made.out).root().find("key")->as_string();
        speech::write_file(folder_.path() + "/empty.wav", "");
        start({"--speech.decoders=2"});
    }
    void check(const std::string& program, const std::string& script) {
        const RunResult run =
            run_program(program, {script, std::to_string(server_->port()), key_, folder_.path() + "/said.wav",
                                  folder_.path() + "/empty.wav", std::string(kSaid)});
        EXPECT_EQ(run.status, 0) << run.out << run.error;
        EXPECT_TRUE(run.out.starts_with("ok ")) << run.out << run.error;
    }
    std::string source_, environment_, key_;
};

TEST_F(SpeechClients, OpenAisPythonClientWorksUnchanged) {
    check(environment_ + "/venv/bin/python", source_ + "/tests/clients/openai_speech_check.py");
}

TEST_F(SpeechClients, OpenAisNodeClientWorksUnchanged) {
    check("node", environment_ + "/node/openai_speech_check.mjs");
}

}  // namespace
}  // namespace tidegate::testing
