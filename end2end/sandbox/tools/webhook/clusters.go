package webhook

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	core "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/aws-iam-authenticator/pkg/config"
	"sigs.k8s.io/aws-iam-authenticator/pkg/mapper/configmap"
)

// lookEvery is how often the folder is looked at for new and gone clusters.
const lookEvery = 300 * time.Millisecond

// settings is a cluster's file, written by whoever runs the control planes.
type settings struct {
	// Kubeconfig reads the cluster's aws-auth.
	Kubeconfig string `json:"kubeconfig"`
	// Instances are the private DNS names of the cluster's nodes by instance id.
	Instances map[string]string `json:"instances"`
}

// cluster is one cluster as a review sees it.
type cluster struct {
	name      string
	instances map[string]string
	awsAuth   *configmap.ConfigMapMapper
}

// clusters follows a folder with one file per cluster, and keeps a mapper of
// aws-auth running for each.
type clusters struct {
	folder string

	mutex sync.Mutex
	known map[string]*mapping
}

// mapping is the mapper of one cluster. Its own lock lets a cluster that is slow to
// answer keep only its own reviews waiting.
type mapping struct {
	mutex sync.Mutex
	// kubeconfig is what the mapper was started with. A cluster that was deleted and
	// made again has another one.
	kubeconfig []byte
	awsAuth    *configmap.ConfigMapMapper
	stop       chan struct{}
}

func newClusters(folder string) *clusters {
	return &clusters{folder: folder, known: map[string]*mapping{}}
}

// follow starts and stops mappers as clusters come and go, so that aws-auth is
// read before the first review needs it.
func (c *clusters) follow(ctx context.Context) {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		if err := c.look(); err != nil {
			slog.Error("following the clusters", "folder", c.folder, "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

func (c *clusters) look() error {
	files, err := os.ReadDir(c.folder)
	if err != nil {
		return err
	}
	there := map[string]bool{}
	var failed []error
	for _, file := range files {
		if name, found := strings.CutSuffix(file.Name(), ".json"); found {
			there[name] = true
			if _, err := c.get(name); err != nil {
				failed = append(failed, err)
			}
		}
	}
	c.mutex.Lock()
	defer c.mutex.Unlock()
	for name, gone := range c.known {
		if !there[name] {
			gone.end()
			delete(c.known, name)
		}
	}
	return errors.Join(failed...)
}

// get gives a cluster as its file now says it is, starting its mapper if need be.
func (c *clusters) get(name string) (cluster, error) {
	if name != filepath.Base(name) {
		return cluster{}, fmt.Errorf("%q is no cluster's name", name)
	}
	body, err := os.ReadFile(filepath.Join(c.folder, name+".json"))
	if err != nil {
		return cluster{}, err
	}
	var said settings
	if err := json.Unmarshal(body, &said); err != nil {
		return cluster{}, fmt.Errorf("reading the settings of cluster %s: %w", name, err)
	}
	c.mutex.Lock()
	m, found := c.known[name]
	if !found {
		m = &mapping{}
		c.known[name] = m
	}
	c.mutex.Unlock()
	awsAuth, err := m.mapper(said.Kubeconfig)
	if err != nil {
		return cluster{}, fmt.Errorf("reading aws-auth of cluster %s: %w", name, err)
	}
	return cluster{name, said.Instances, awsAuth}, nil
}

// mapper gives the running mapper, starting it for a kubeconfig that is new.
func (m *mapping) mapper(path string) (*configmap.ConfigMapMapper, error) {
	kubeconfig, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	m.mutex.Lock()
	defer m.mutex.Unlock()
	if m.awsAuth != nil && bytes.Equal(m.kubeconfig, kubeconfig) {
		return m.awsAuth, nil
	}
	m.endLocked()
	stop := make(chan struct{})
	started, err := startMapper(path, stop)
	if err != nil {
		close(stop)
		return nil, err
	}
	m.kubeconfig, m.awsAuth, m.stop = kubeconfig, started, stop
	return started, nil
}

func (m *mapping) end() {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	m.endLocked()
}

func (m *mapping) endLocked() {
	if m.awsAuth != nil {
		close(m.stop)
		m.awsAuth = nil
	}
}

// startMapper starts upstream's mapper and waits until it has read what aws-auth
// says now: it does not tell by itself when it is ready, and before that it would
// lock everyone out.
func startMapper(kubeconfig string, stop chan struct{}) (*configmap.ConfigMapMapper, error) {
	mapper, err := configmap.NewConfigMapMapper(config.Config{Kubeconfig: kubeconfig})
	if err != nil {
		return nil, err
	}
	now, err := awsAuth(kubeconfig)
	if err != nil {
		return nil, err
	}
	if err := mapper.Start(stop); err != nil {
		return nil, err
	}
	users, roles, _, err := configmap.ParseMap(now)
	if err != nil {
		slog.Warn("aws-auth has parts nobody can read; the others count", "error", err)
	}
	deadline := time.Now().Add(5 * time.Second)
	for !hasRead(mapper, users, roles) {
		if time.Now().After(deadline) {
			return nil, errors.New("the mapper did not read aws-auth in time")
		}
		time.Sleep(20 * time.Millisecond)
	}
	return mapper, nil
}

// hasRead reports whether the mapper knows an entry of each kind there is. It
// takes in the whole map at once, so one stands for all.
func hasRead(mapper *configmap.ConfigMapMapper, users []config.UserMapping, roles []config.RoleMapping) bool {
	if len(roles) > 0 {
		_, err := mapper.RoleMapping(strings.ToLower(roles[0].RoleARN))
		return err == nil
	}
	if len(users) > 0 {
		_, err := mapper.UserMapping(strings.ToLower(users[0].UserARN))
		return err == nil
	}
	return true
}

func awsAuth(kubeconfig string) (map[string]string, error) {
	settings, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		return nil, err
	}
	settings.Timeout = 5 * time.Second
	client, err := kubernetes.NewForConfig(settings)
	if err != nil {
		return nil, err
	}
	var found *core.ConfigMap
	found, err = client.CoreV1().ConfigMaps(metav1.NamespaceSystem).Get(context.Background(), "aws-auth", metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return found.Data, nil
}
