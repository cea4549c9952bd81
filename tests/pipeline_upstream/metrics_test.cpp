#include "pipeline/upstream/metrics.h"

#include <gmock/gmock.h>

#include "pipeline_upstream/support.h"

namespace tidegate::upstream {
namespace {

using testing::HasSubstr;

TEST(UpstreamMetricsTest, ShowWhatWasCounted) {
    ManualClock clock;
    clock.advance(std::chrono::hours(1));
    SeededRandom random(1);
    Pool pool("app", make_targets({1}), {}, random, clock.now());
    RetryBudget budget{RetryOptions{}};
    Admission admission(AdmissionOptions{.concurrency_max = 1, .waiting_max = 0});
    MicroBatcher batcher({}, [](Batch batch, BatchDone done) {
        done(std::vector<ItemAnswer>(batch.items.size(), ItemAnswer("1")), start_time());
    });
    const MemoryCeiling memory({.bytes_max = 5000}, std::nullopt);
    observe::Registry registry;
    declare_metrics(registry, clock, {{.name = "app", .pool = &pool, .retries = &budget, .admission = &admission}},
                    {{.route = "score", .batcher = &batcher}}, &memory);
    for (int i = 0; i < 5; ++i) pool.pick(0, clock.now())->end(Outcome::kTimeout, std::nullopt, clock.now());
    EXPECT_FALSE(pool.pick(0, clock.now()));
    const auto mailbox = make_mailbox();
    const auto held = admission.ask({.mailbox = mailbox, .told = [](Admitted, SteadyTime) {}}, clock.now());
    EXPECT_TRUE(std::holds_alternative<Shed>(
        admission.ask({.mailbox = mailbox, .told = [](Admitted, SteadyTime) {}}, clock.now())));
    EXPECT_TRUE(batcher.submit({.json = "1", .mailbox = mailbox, .told = [](const ItemAnswer&, const Attachment&) {}},
                               clock.now()));
    const std::string text = registry.render(observe::Exposition::kPrometheusText);
    for (const char* line :
         {"tidegate_upstream_target_usable{upstream=\"app\",target=\"target0\"} 0",
          "tidegate_upstream_breaker_state{upstream=\"app\",target=\"target0\"} 1",
          "tidegate_upstream_breaker_opened_total{upstream=\"app\",target=\"target0\"} 1",
          "tidegate_upstream_calls_total{upstream=\"app\",target=\"target0\",outcome=\"timeout\"} 5",
          "tidegate_upstream_no_target_total{upstream=\"app\"} 1",
          "tidegate_upstream_retries_total{upstream=\"app\"} 0", "tidegate_admission_in_work{upstream=\"app\"} 1",
          "tidegate_admission_shed_total{upstream=\"app\",why=\"full\"} 1",
          "tidegate_batch_items_total{route=\"score\"} 1", "tidegate_batch_calls_total{route=\"score\",cut=\"idle\"} 1",
          "tidegate_batch_sizes_total{route=\"score\",requests=\"1\"} 1", "tidegate_memory_ceiling_bytes 5000"}) {
        EXPECT_THAT(text, HasSubstr(line));
    }
    EXPECT_THAT(text, testing::Not(HasSubstr("tidegate_upstream_probes_total{"))) << "there is no checker";
}

}  // namespace
}  // namespace tidegate::upstream
