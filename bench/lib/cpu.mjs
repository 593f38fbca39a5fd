// The processor's time of this process.

/** @returns {number} seconds since it began, in its own code and in the system's for it */
export function cpuSeconds() {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
}
