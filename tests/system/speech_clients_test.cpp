// OpenAI's own packages for Python and Node.js, unchanged, against the speech service.
#include <cstdint>
#include <filesystem>
#include <system_error>

#include "system/speech.h"

namespace tidegate::testing {
namespace {

/// The clients, fetched once a program; `why` says why there are none.
struct FetchedClients {
    std::string folder, why;
};

/// Bytes that lie under a folder.
std::uintmax_t bytes_under(const std::string& folder) {
    namespace fs = std::filesystem;
    std::uintmax_t bytes = 0;
    std::error_code failed;
    for (fs::recursive_directory_iterator one(folder, failed), end; !failed && one != end; one.increment(failed)) {
        std::error_code unread;
        const std::uintmax_t size = one->is_regular_file(unread) ? one->file_size(unread) : 0;
        if (!unread) bytes += size;
    }
    return bytes;
}

/// A turn takes a minute at most; what was fetched stays, so a slow line gets on from turn to turn. Where a turn brought nothing, packets
/// are lost, and the next would bring nothing either.
FetchedClients fetch_clients(const std::string& source) {
    FetchedClients out{.folder = source + "/build/inference-clients"};
    std::uintmax_t before = bytes_under(out.folder);
    for (int turn = 0; turn < 4; ++turn) {
        const RunResult fetched = run_program("bash", {source + "/tests/clients/fetch.sh", out.folder});
        if (fetched.status == 0) return out;
        out.why = fetched.out.empty() ? "fetching them took over a minute" : fetched.out;
        if (fetched.status == 1) return out;
        const std::uintmax_t now = bytes_under(out.folder);
        if (now <= before) {
            out.why += ", and a turn brought nothing: is there a network?";
            return out;
        }
        before = now;
    }
    return out;
}

class SpeechClients : public SpeechService {
  protected:
    static void SetUpTestSuite() { clients_ = fetch_clients(source_folder()); }
    static std::string source_folder() {
        const char* const source = std::getenv("TIDEGATE_SOURCE_DIR");  // NOLINT(concurrency-mt-unsafe)
        return source != nullptr ? source : ".";
    }
    void SetUp() override {
        SpeechService::SetUp();
        if (IsSkipped()) return;
        source_ = source_folder();
        environment_ = clients_.folder;
        if (!clients_.why.empty()) GTEST_SKIP() << "the clients cannot be had: " << clients_.why;
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
    static inline FetchedClients clients_;
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
