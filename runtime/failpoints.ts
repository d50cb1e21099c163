/**
 * Places where a crash run may stop a process. `FAILPOINTS=after_claim=stop,before_reply=kill@3` acts at the third
 * passing; without `@n` at the first. Empty in production.
 */
export type FailpointName =
  | 'after_accept_commit'
  | 'before_workflow_start'
  | 'after_claim'
  | 'before_request'
  | 'after_response'
  | 'after_outcome_commit';

const actions = {
  kill: () => process.kill(process.pid, 'SIGKILL'),
  stop: () => process.kill(process.pid, 'SIGSTOP'),
  exit: () => process.exit(70),
};

export type Failpoints = (name: FailpointName) => void;

export function createFailpoints(setting: string): Failpoints {
  const armed = new Map<string, { action: keyof typeof actions; passes: number }>();
  for (const entry of setting.split(',').filter((text) => text !== '')) {
    const match = /^(\w+)=(kill|stop|exit)(?:@(\d+))?$/.exec(entry);
    if (!match) throw new Error(`FAILPOINTS: "${entry}" is not name=kill|stop|exit[@n]`);
    armed.set(match[1] ?? '', {
      action: match[2] as keyof typeof actions,
      passes: Number(match[3] ?? 1),
    });
  }
  return (name) => {
    const point = armed.get(name);
    if (!point) return;
    point.passes -= 1;
    if (point.passes === 0) actions[point.action]();
  };
}
