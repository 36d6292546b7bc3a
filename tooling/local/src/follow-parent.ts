// Loaded into the API's process before the API: ends it when the process that started it is gone, however that ended.

const graceMs = 10_000;

process.once("disconnect", () => {
  setTimeout(() => process.kill(process.pid, "SIGKILL"), graceMs).unref();
  process.kill(process.pid, "SIGTERM");
});
// The channel is only there to break: it must not keep the API running.
process.channel?.unref();
