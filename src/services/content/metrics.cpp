// Content: what it counts.
#include "services/content/content.h"

namespace tidegate::content {

void ContentService::declare_metrics(observe::Registry& registry) const {
    registry.callback({.name = "tidegate_content_imports_total",
                       .help = "Contents that came in, by what became of them.",
                       .labels = {"outcome"}},
                      observe::MetricType::kCounter, [this](observe::Samples& out) {
                          out.add({"stored"}, static_cast<double>(counts_.stored.value()));
                          out.add({"unchanged"}, static_cast<double>(counts_.unchanged.value()));
                          out.add({"refused"}, static_cast<double>(counts_.refused.value()));
                      });
    registry.callback(
        {.name = "tidegate_content_imports_cut_total",
         .help = "Imports that ended before their last line; what is told of in the log was stored.",
         .when_it_rises = "Clients leave in the middle, or their bodies are over content.import_bytes_max."},
        observe::MetricType::kCounter,
        [this](observe::Samples& out) { out.add({}, static_cast<double>(counts_.cut.value())); });
    registry.callback({.name = "tidegate_content_questions_total",
                       .help = "Questions: searched alone, answered from the sources, or not in them.",
                       .labels = {"outcome"}},
                      observe::MetricType::kCounter, [this](observe::Samples& out) {
                          out.add({"searched"}, static_cast<double>(counts_.searches.value()));
                          out.add({"answered"}, static_cast<double>(counts_.answered.value()));
                          out.add({"not_in_sources"}, static_cast<double>(counts_.not_in_sources.value()));
                      });
    registry.callback({.name = "tidegate_content_trainings_total", .help = "Spaces of meanings that were trained."},
                      observe::MetricType::kCounter,
                      [this](observe::Samples& out) { out.add({}, static_cast<double>(library_->trainings())); });
    registry.callback({.name = "tidegate_content_vectors_made_total",
                       .help = "Passages that the model of content.vectors_model has seen to."},
                      observe::MetricType::kCounter, [this](observe::Samples& out) {
                          const PassageVectors* const vectors = library_->vectors();
                          out.add({}, vectors != nullptr ? static_cast<double>(vectors->made()) : 0.0);
                      });
    registry.callback({.name = "tidegate_content_vectors_given_up_total",
                       .help = "Passages that stay without a vector: the model failed at each of them three times.",
                       .when_it_rises = "The log names them: content_passage_without_vector."},
                      observe::MetricType::kCounter, [this](observe::Samples& out) {
                          const PassageVectors* const vectors = library_->vectors();
                          out.add({}, vectors != nullptr ? static_cast<double>(vectors->given_up()) : 0.0);
                      });
    registry.callback(
        {.name = "tidegate_ledger_changes_total",
         .help = "Changes of the ledger: made, given again under their idempotency key, refused because too many wait.",
         .labels = {"outcome"},
         .when_it_rises = "refused: the disk under ledger.db is slower than the changes come."},
        observe::MetricType::kCounter, [this](observe::Samples& out) {
            out.add({"made"}, static_cast<double>(ledger_->changes()));
            out.add({"repeated"}, static_cast<double>(ledger_->repeats()));
            out.add({"refused"}, static_cast<double>(ledger_->refused()));
        });
    registry.callback(
        {.name = "tidegate_ledger_commits_total", .help = "Commits of the ledger, each of all changes that waited."},
        observe::MetricType::kCounter,
        [this](observe::Samples& out) { out.add({}, static_cast<double>(ledger_->commits())); });
    registry.callback({.name = "tidegate_ledger_waiting", .help = "Changes that wait for the ledger."},
                      observe::MetricType::kGauge,
                      [this](observe::Samples& out) { out.add({}, static_cast<double>(ledger_->waiting())); });
}

}  // namespace tidegate::content
