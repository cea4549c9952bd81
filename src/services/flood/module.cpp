#include "services/flood/module.h"

#include "services/flood/commands.h"
#include "services/flood/flood.h"
#include "services/flood/load_mix.h"

namespace tidegate::flood {
namespace {

class FloodModule final : public service::Module {
  public:
    std::string_view name() const noexcept override { return kService; }
    void declare(settings::Table& table) override { flood::declare(table, settings_); }
    Result<std::unique_ptr<service::Service>> open(const service::House& house) const override {
        return Flood::open({.settings = settings_,
                            .clock = house.clock,
                            .database_path = house.database_path,
                            .drop_answers = house.drop_answers});
    }
    void offer_load(const load::Scout& scout, load::Offers& offers) const override { flood::offer_load(scout, offers); }
    std::vector<service::CommandHelp> commands() const override {
        return {{"flood", "flood load BASIN.csv --area KM2 | list | remove NAME",
                 "gauged basins: calibrate and store one, show them, take one away"}};
    }
    int run(std::string_view, const service::CommandInput& input) const override { return run_command(input); }
    std::string_view evaluation_usage() const noexcept override { return "--data FOLDER [--out FILE]"; }
    int evaluate(const service::CommandInput& input) const override { return run_evaluation(input, settings_); }

  private:
    FloodSettings settings_;
};

}  // namespace

std::unique_ptr<service::Module> make_module() {
    return std::make_unique<FloodModule>();
}

}  // namespace tidegate::flood
