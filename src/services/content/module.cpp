#include "services/content/module.h"

#include "services/content/commands.h"
#include "services/content/content.h"
#include "services/content/load_mix.h"

namespace tidegate::content {
namespace {

class ContentModule final : public service::Module {
  public:
    std::string_view name() const noexcept override { return kService; }
    void declare(settings::Table& table) override { content::declare(table, settings_); }
    Result<std::unique_ptr<service::Service>> open(const service::House& house) const override {
        return ContentService::open({.settings = settings_,
                                     .clock = house.clock,
                                     .random = house.random,
                                     .disk = house.disk,
                                     .data_dir = house.data_dir,
                                     .database = house.database,
                                     .blocking = house.blocking,
                                     .text_models = &house.text_models,
                                     .log = &house.log});
    }
    bool uses_database() const noexcept override { return settings_.store == "postgres"; }
    void offer_load(const load::Scout& scout, load::Offers& offers) const override {
        content::offer_load(scout, offers);
    }
    std::vector<service::CommandHelp> commands() const override {
        return {{"content", "content import FILE... [--tenant NAME]", "stores the texts of NDJSON files to search in"},
                {"ledger", "ledger reconcile", "reads every entry of the token ledger and says whether it adds up"}};
    }
    int run(std::string_view command, const service::CommandInput& input) const override {
        return command == "ledger" ? run_ledger(input, settings_) : run_content(input, settings_);
    }
    std::string_view evaluation_usage() const noexcept override {
        return "--data FOLDER [--models FOLDER --model NAME [--runtime FILE]] [--out FILE]";
    }
    int evaluate(const service::CommandInput& input) const override { return run_evaluation(input, settings_); }

  private:
    ContentSettings settings_;
};

}  // namespace

std::unique_ptr<service::Module> make_module() {
    return std::make_unique<ContentModule>();
}

}  // namespace tidegate::content
