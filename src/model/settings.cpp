#include "model/settings.h"

#include <thread>

#include "model/affinity.h"
#include "model/device.h"

namespace tidegate::model {

void declare(settings::Table& table, ModelSettings& s) {
    using std::chrono::milliseconds;
    table.group("models", "Models of your own: the folder they lie in and what runs them");
    table.add("models.folder", s.folder, "")
        .doc("NAME/VERSION/model.onnx lie here, as Triton lays them out; empty: `models` in data.dir.");
    table.add("models.mode", s.mode, "poll")
        .choices({"none", "explicit", "poll"})
        .doc(
            "`none`: the models that lie there at start; `explicit`: those that somebody loads; `poll`: the folder is "
            "looked at again and again, and what came, changed or went is loaded, replaced or taken away.");
    table.add("models.load", s.load, std::vector<std::string>{})
        .doc("With mode `explicit`: the models that are loaded at start; `*`: all.");
    table.add("models.poll_interval_s", s.poll_interval, std::chrono::seconds(2))
        .range(milliseconds(100), std::chrono::hours(1))
        .doc("With mode `poll`: so long between two looks.");
    table.add("models.device", s.device, "auto")
        .choices({"cpu", "cuda", "auto"})
        .env_aliases({"APT_DEVICE"})
        .doc(
            "Where models run that do not say it themselves. `cuda` without a usable GPU stops the start; `auto` takes "
            "the processor then and says why in the log.");
    table.add("models.device_index", s.device_index, 0).range(0, 63).doc("Which GPU, where there are several.");
    table.add("models.runtime_library", s.runtime_library, "")
        .doc(
            "Path of ONNX Runtime's libonnxruntime.so.1; empty: looked for beside the program, in ../lib, in the build "
            "folder's deps/onnxruntime/lib, then where the system looks for libraries. Without it no model is served, "
            "and everything else works.");
    table.add("models.intra_op_threads", s.intra_op_threads, 1)
        .range(1, 256)
        .doc(
            "Threads inside one operator, for each session. A second one cost about 15 % more CPU a pass on 2 cores, "
            "and "
            "more instances used the cores better (bench/results/model_session.json): raise it for large models that "
            "are "
            "asked one at a time. Threads never spin.");
    table.add("models.inter_op_threads", s.inter_op_threads, 1)
        .range(1, 64)
        .doc("Operators side by side, for each session; only models with branches gain by it.");
    table.add("models.cpu_affinity", s.cpu_affinity, "")
        .check(check_cpus, "CPUS or numa:NODE")
        .doc(
            "Threads of models (each instance's, and those inside operators) run on these processors only: `0-3,8`, or "
            "all of a memory node: `numa:0`; empty: on any. A pass under models.inline_below_us runs on the event "
            "loop, wherever that is. Where none of them may be used the start stops.");
    table.add("models.arena_bytes_max", s.arena_bytes_max, 4ULL * 1024 * 1024 * 1024)
        .range(1024ULL * 1024, 1024ULL * 1024 * 1024 * 1024)
        .bytes()
        .doc(
            "A session's weights and tensors may hold so much; a pass that needs more is refused. What each holds is "
            "shown with the model.");
    table.add("models.file_bytes_max", s.file_bytes_max, 2ULL * 1024 * 1024 * 1024 - 1)
        .range(1024, 2ULL * 1024 * 1024 * 1024 - 1)
        .bytes()
        .doc("A larger model file is not loaded. The format itself ends at 2 GiB.");
    table.add("models.inline_below_us", s.inline_below_us, 20)
        .range(0, 1000)
        .unit("us")
        .doc(
            "A pass that was measured to take less runs on the thread that asks, when nothing else waits: a way to "
            "another "
            "thread and back costs as much. 0: never.");
    table.add("models.fold_constants", s.fold_constants, true)
        .doc(
            "Compute what depends on constants alone once, as a model is loaded. ONNX Runtime bounds neither memory "
            "nor time of that: a file of a few bytes can ask for all there is. Off where the files are not your own: "
            "then that is left to the passes, which models.arena_bytes_max bounds.");
}

namespace {

/// On a thread of its own: the caller's stays where it is.
Result<void> try_cpus(std::span<const unsigned> cpus) {
    Result<void> tried;
    std::thread([&] { tried = pin_thread(cpus); }).join();
    if (tried) return {};
    return fail(tried.error().code, "models.cpu_affinity: " + tried.error().message);
}

}  // namespace

Result<SessionOptions> session_options(const ModelSettings& s, const Backend& backend, std::string& note) {
    SessionOptions options;
    TG_TRY(options.cpus, cpus_of(s.cpu_affinity));
    TG_CHECK(try_cpus(options.cpus));
    TG_TRY(DeviceDecision decision, decide_device(backend, s.device, s.device_index));
    options.device = decision.device;
    note = std::move(decision.note);
    options.device_index = s.device_index;
    options.intra_op_threads = s.intra_op_threads;
    options.inter_op_threads = s.inter_op_threads;
    options.arena_bytes_max = s.arena_bytes_max;
    options.fold_constants = s.fold_constants;
    return options;
}

}  // namespace tidegate::model
