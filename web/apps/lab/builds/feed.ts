// The builds, folded from their feed. Values in, values out.

export interface Build {
  readonly n: number;
  readonly build: number;
  readonly branch: string;
  readonly step: string;
  readonly status: 'running' | 'passed' | 'failed';
  readonly done: number;
  readonly of: number;
}

/** The newest state of each build, the newest build first. Each event is complete, so the last one wins. */
export function buildsAfter(builds: readonly Build[], b: Build, most = 12): readonly Build[] {
  return [...builds.filter((x) => x.build !== b.build), b].sort((x, y) => y.build - x.build).slice(0, most);
}

export function isBuild(data: unknown): data is Build {
  return typeof data === 'object' && data !== null && 'build' in data && typeof data.build === 'number' && 'branch' in data && typeof data.branch === 'string'
    && 'step' in data && typeof data.step === 'string' && 'status' in data && (data.status === 'running' || data.status === 'passed' || data.status === 'failed')
    && 'done' in data && typeof data.done === 'number' && 'of' in data && typeof data.of === 'number';
}
