#include "store/fault_vfs.h"

#include <sqlite3.h>

#include <atomic>
#include <new>

namespace tidegate::store {
namespace {

std::atomic<std::int64_t> g_left{-1};  // Below 0: not armed.
std::atomic<bool> g_lasting{false};
std::atomic<bool> g_fired{false};
std::atomic<Fault> g_fault{Fault::kDiskFull};

struct File {
    sqlite3_file base;
    sqlite3_file* real;  // Behind us in the same allocation of SQLite's.
};

File& self(sqlite3_file* file) {
    return *reinterpret_cast<File*>(file);
}
sqlite3_file* real(sqlite3_file* file) {
    return self(file).real;
}

bool fails_now() {
    if (g_left.load() < 0) return false;
    if (g_left.fetch_sub(1) > 1) return false;
    g_fired = true;
    // One fault, unless it lasts: then the count stays at its end.
    g_left = g_lasting ? 1 : -1;
    return true;
}

int fault_code(int io_code) {
    return g_fault.load() == Fault::kDiskFull ? SQLITE_FULL : io_code;
}

int x_close(sqlite3_file* f) {
    return real(f)->pMethods->xClose(real(f));
}
int x_read(sqlite3_file* f, void* to, int n, sqlite3_int64 at) {
    return real(f)->pMethods->xRead(real(f), to, n, at);
}
int x_write(sqlite3_file* f, const void* from, int n, sqlite3_int64 at) {
    if (fails_now()) return fault_code(SQLITE_IOERR_WRITE);
    return real(f)->pMethods->xWrite(real(f), from, n, at);
}
int x_truncate(sqlite3_file* f, sqlite3_int64 size) {
    if (fails_now()) return SQLITE_IOERR_TRUNCATE;
    return real(f)->pMethods->xTruncate(real(f), size);
}
int x_sync(sqlite3_file* f, int flags) {
    if (fails_now()) return fault_code(SQLITE_IOERR_FSYNC);
    return real(f)->pMethods->xSync(real(f), flags);
}
int x_size(sqlite3_file* f, sqlite3_int64* size) {
    return real(f)->pMethods->xFileSize(real(f), size);
}
int x_lock(sqlite3_file* f, int level) {
    return real(f)->pMethods->xLock(real(f), level);
}
int x_unlock(sqlite3_file* f, int level) {
    return real(f)->pMethods->xUnlock(real(f), level);
}
int x_reserved(sqlite3_file* f, int* out) {
    return real(f)->pMethods->xCheckReservedLock(real(f), out);
}
int x_control(sqlite3_file* f, int op, void* arg) {
    return real(f)->pMethods->xFileControl(real(f), op, arg);
}
int x_sector(sqlite3_file* f) {
    return real(f)->pMethods->xSectorSize(real(f));
}
int x_device(sqlite3_file* f) {
    return real(f)->pMethods->xDeviceCharacteristics(real(f));
}
int x_shm_map(sqlite3_file* f, int page, int size, int extend, void volatile** out) {
    return real(f)->pMethods->xShmMap(real(f), page, size, extend, out);
}
int x_shm_lock(sqlite3_file* f, int offset, int n, int flags) {
    return real(f)->pMethods->xShmLock(real(f), offset, n, flags);
}
void x_shm_barrier(sqlite3_file* f) {
    real(f)->pMethods->xShmBarrier(real(f));
}
int x_shm_unmap(sqlite3_file* f, int remove) {
    return real(f)->pMethods->xShmUnmap(real(f), remove);
}

constexpr sqlite3_io_methods kMethods{
    2,         x_close,  x_read,   x_write,   x_truncate, x_sync,        x_size,      x_lock,  x_unlock, x_reserved,
    x_control, x_sector, x_device, x_shm_map, x_shm_lock, x_shm_barrier, x_shm_unmap, nullptr, nullptr};

sqlite3_vfs* g_real = nullptr;

int v_open(sqlite3_vfs*, sqlite3_filename name, sqlite3_file* f, int flags, int* out_flags) {
    File& file = *new (f) File{};
    file.real = reinterpret_cast<sqlite3_file*>(&file + 1);
    const int code = g_real->xOpen(g_real, name, file.real, flags, out_flags);
    file.base.pMethods = file.real->pMethods != nullptr ? &kMethods : nullptr;
    return code;
}

sqlite3_vfs make_vfs() {
    g_real = sqlite3_vfs_find(nullptr);
    sqlite3_vfs vfs = *g_real;  // All calls but open() pass the default's functions, which do not look at the VFS.
    vfs.zName = "tidegate-fault";
    vfs.szOsFile = static_cast<int>(sizeof(File)) + g_real->szOsFile;
    vfs.xOpen = v_open;
    vfs.pNext = nullptr;
    return vfs;
}

}  // namespace

const std::string& fault_vfs_name() {
    static sqlite3_vfs vfs = make_vfs();
    static const int registered = sqlite3_vfs_register(&vfs, 0);
    static const std::string name = registered == SQLITE_OK ? "tidegate-fault" : "registration failed";
    return name;
}

void arm_fault(std::int64_t n, Fault fault, bool lasting) {
    g_fired = false;
    g_fault = fault;
    g_lasting = lasting;
    g_left = n;
}

void disarm_fault() {
    g_left = -1;
}
bool fault_fired() {
    return g_fired;
}

}  // namespace tidegate::store
