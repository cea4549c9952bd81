#include "services/speech/module.h"

#include "services/speech/evaluation.h"
#include "services/speech/load_mix.h"
#include "services/speech/speech.h"

namespace tidegate::speech {
namespace {

class SpeechModule final : public service::Module {
  public:
    std::string_view name() const noexcept override { return kService; }
    void declare(settings::Table& table) override { speech::declare(table, settings_); }
    Result<std::unique_ptr<service::Service>> open(const service::House& house) const override {
        return Speech::open(settings_, house);
    }
    void offer_load(const load::Scout& scout, load::Offers& offers) const override {
        speech::offer_load(scout, offers);
    }
    std::string_view evaluation_usage() const noexcept override { return kSpeechEvaluationUsage; }
    int evaluate(const service::CommandInput& input) const override { return run_speech_evaluation(input, settings_); }

  private:
    SpeechSettings settings_;
};

}  // namespace

std::unique_ptr<service::Module> make_module() {
    return std::make_unique<SpeechModule>();
}

}  // namespace tidegate::speech
